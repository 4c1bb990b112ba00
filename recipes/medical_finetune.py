"""Train a model of medical scans on your own. Copy this file and change what you need.

python recipes/medical_finetune.py                       # on generated scans
python recipes/medical_finetune.py scans/                # on yours: a folder for each class
python recipes/medical_finetune.py scans/ runs/earlier   # starting from an earlier run

What it makes is not a medical device.
"""

import sys

import zoo

DATA = sys.argv[1] if len(sys.argv) > 1 else ""
WEIGHTS = sys.argv[2] if len(sys.argv) > 2 else ""

# medical/classify tells classes apart, medical/findings several things in one scan, and
# medical/segment outlines. medical/pretrain learns from scans without labels, to start these.
RECIPE = "medical/classify"

SETTINGS = {
    # Where a file's name tells the patient, whose scans are then in one split alone.
    # "data.group": r"^(patient\d+)_",
    # Columns of your table for each value of which the figures are shown.
    # "task.subgroups": ["sex", "site"],
    # When a finding is called: argmax, youden, or specificity with task.specificity.
    "task.operating_point": "youden",
    "task.specificity": 0.9,
    # What training may change; flips only where left and right mean nothing.
    "task.rotation": 10.0,
    "task.shift": 0.08,
    "task.horizontal_flip": 0.0,
    # A larger network, for tens of thousands of scans, or several whose logits are averaged.
    "model.size": "small",
    "model.members": 1,
}


def main() -> None:
    for finding in zoo.check_data(RECIPE, data=DATA, settings=SETTINGS):
        print(f"{finding.level}: {finding.message} {finding.where}")

    run = zoo.train(RECIPE, data=DATA, weights=WEIGHTS, settings=SETTINGS)

    for system in run.evaluation["systems"]:
        for name in ("auroc", "sensitivity", "specificity"):
            score = system["values"][name]
            interval = f"({score['low']:.3f} to {score['high']:.3f})"
            print(f"{system['name']}: {name} {score['value']:.3f} {interval}")
    print(f"Report: {run.report}")
    print(f"Model:  zoo.load({str(run.bundle)!r})")


if __name__ == "__main__":
    try:
        main()
    except zoo.ZooError as error:
        sys.exit(f"error: {error}")
