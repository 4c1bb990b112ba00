"""Train a translator on your own pairs of sentences. Copy this file and change what you need.

python recipes/translation_finetune.py                           # on generated numbers
python recipes/translation_finetune.py texts/ en de              # from train.en to train.de
python recipes/translation_finetune.py texts/ en de runs/earlier # starting from an earlier run
"""

import sys

import zoo

# The data, what is translated into what, and an earlier run.
DATA, SOURCE, TARGET, WEIGHTS = [*sys.argv[1:], "", "", "", ""][:4]

SETTINGS = {
    # A larger network, for hundreds of thousands of pairs: small or base.
    "model.size": "tiny",
    # Pieces of the tokeniser of both languages; more for more text.
    "task.pieces": 8_000,
    # Tokens in a step. If they do not fit in memory: half of them, and 2 steps for one update.
    "train.batch_tokens": 4096,
    "train.accumulate": 1,
}


def main() -> None:
    if DATA and not TARGET:
        sys.exit(f"error: {DATA} is given, but not from and into which language.\n{__doc__}")
    settings = SETTINGS | ({"data.source": SOURCE, "data.target": TARGET} if DATA else {})
    for finding in zoo.check_data("translation", data=DATA, settings=settings):
        print(f"{finding.level}: {finding.message} {finding.where}")

    run = zoo.train("translation", data=DATA, weights=WEIGHTS, settings=settings)

    for system in run.evaluation["systems"]:
        for name in ("bleu", "chrf"):
            score = system["values"][name]
            interval = f"({score['low']:.1f} to {score['high']:.1f})"
            print(f"{system['name']}: {name} {score['value']:.1f} {interval}")
    print(f"Report: {run.report}")
    print(f"Model:  zoo.load({str(run.bundle)!r})")


if __name__ == "__main__":
    try:
        main()
    except zoo.ZooError as error:
        sys.exit(f"error: {error}")
