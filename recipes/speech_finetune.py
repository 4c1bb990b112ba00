"""Train a speech recogniser on your own recordings. Copy this file and change what you need.

python recipes/speech_finetune.py                          # on words of synthetic voices
python recipes/speech_finetune.py recordings/              # on yours: a folder for each word
python recipes/speech_finetune.py recordings/ runs/earlier # starting from an earlier run
"""

import sys

import zoo

DATA = sys.argv[1] if len(sys.argv) > 1 else ""
WEIGHTS = sys.argv[2] if len(sys.argv) > 2 else ""

# speech/keywords tells words apart, speech/transcribe writes text, speech/speakers tells who.
RECIPE = "speech/keywords"

SETTINGS = {
    # Samples a second at which recordings are read; 8000 is enough for a telephone.
    "data.rate": 16_000,
    # Where a file's name tells the class or the speaker, instead of its folder.
    # "data.label": r"^([a-z]+)_",
    # "data.group": r"^[a-z]+_([a-z]+)_",
    # A larger network, for tens of thousands of recordings: small or medium.
    "model.size": "small",
    # How far training changes the voice, and how often it adds noise.
    "task.speed": 0.15,
    "task.noise": 0.7,
}

# What one of the recipes has alone.
OWN_SETTINGS = {
    # Length of the stretch that is looked at; longer recordings are seen in several.
    "speech/keywords": {"task.seconds": 1.0},
    # Texts that are followed at once, and a file with the words that may be written.
    "speech/transcribe": {"task.beams": 1, "task.words": ""},
    # Longer recordings are seen in several windows.
    "speech/speakers": {"task.window_seconds": 20.0},
}


def main() -> None:
    settings = SETTINGS | OWN_SETTINGS[RECIPE]
    for finding in zoo.check_data(RECIPE, data=DATA, settings=settings):
        print(f"{finding.level}: {finding.message} {finding.where}")

    run = zoo.train(RECIPE, data=DATA, weights=WEIGHTS, settings=settings)

    for system in run.evaluation["systems"]:
        for name, score in list(system["values"].items())[:2]:
            interval = f"({score['low']:.3f} to {score['high']:.3f})"
            print(f"{system['name']}: {name} {score['value']:.3f} {interval}")
    print(f"Report: {run.report}")
    print(f"Model:  zoo.load({str(run.bundle)!r})")


if __name__ == "__main__":
    try:
        main()
    except zoo.ZooError as error:
        sys.exit(f"error: {error}")
