"""Train a fraud model on your own transactions. Copy this file and change what you need.

python recipes/fraud_finetune.py                         # on generated transactions
python recipes/fraud_finetune.py transactions.parquet    # on yours, CSV or Parquet
python recipes/fraud_finetune.py mine.csv runs/earlier   # starting from an earlier run
"""

import sys

import zoo

DATA = sys.argv[1] if len(sys.argv) > 1 else ""
WEIGHTS = sys.argv[2] if len(sys.argv) > 2 else ""

SETTINGS = {
    # Columns are found by their usual names; name them here if yours are called otherwise.
    # "data.time": "booked_at",
    # "data.entities": ["card", "merchant"],
    # "data.amount": "amount",
    # "data.label": "is_fraud",
    # How old a fraud is when you come to know of it, in days.
    "data.delay_days": 7,
    # How many cards your team can check a day; the alert threshold follows from it.
    "task.cards_a_day": 100,
}


def main() -> None:
    for finding in zoo.check_data("fraud", data=DATA, settings=SETTINGS):
        print(f"{finding.level}: {finding.message} {finding.where}")

    run = zoo.train("fraud", data=DATA, weights=WEIGHTS, settings=SETTINGS)

    for system in run.evaluation["systems"]:
        score = system["values"]["average_precision"]
        print(f"{system['name']}: {score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f})")
    print(f"Report: {run.report}")
    print(f"Model:  zoo.load({str(run.bundle)!r})")


if __name__ == "__main__":
    try:
        main()
    except zoo.ZooError as error:
        sys.exit(f"error: {error}")
