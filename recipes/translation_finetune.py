"""Train a translator on your own pairs of sentences. Copy this file and change what you need.

python recipes/translation_finetune.py                     # on generated numbers and dates
python recipes/translation_finetune.py texts/              # on yours: train.en and train.de
python recipes/translation_finetune.py texts/ runs/earlier # starting from an earlier run
"""

import sys

import zoo

DATA = sys.argv[1] if len(sys.argv) > 1 else ""
WEIGHTS = sys.argv[2] if len(sys.argv) > 2 else ""

SETTINGS = {
    # What is translated into what, such as from train.en to train.de.
    # "data.source": "en",
    # "data.target": "de",
    # A larger network, for hundreds of thousands of pairs: small or base.
    "model.size": "tiny",
    # Pieces of the tokeniser of both languages; more for more text.
    "task.pieces": 8_000,
    # Tokens in a step. If they do not fit in memory: fewer, and as many steps for one update.
    "train.batch_tokens": 4096,
    "train.accumulate": 1,
}

if __name__ == "__main__":
    for finding in zoo.check_data("translation", data=DATA, settings=SETTINGS):
        print(f"{finding.level}: {finding.message} {finding.where}")

    run = zoo.train("translation", data=DATA, weights=WEIGHTS, settings=SETTINGS)

    for system in run.evaluation["systems"]:
        for name in ("bleu", "chrf"):
            score = system["values"][name]
            interval = f"({score['low']:.1f} to {score['high']:.1f})"
            print(f"{system['name']}: {name} {score['value']:.1f} {interval}")
    print(f"Report: {run.report}")
    print(f"Model:  zoo.load({str(run.bundle)!r})")
