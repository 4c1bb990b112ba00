"""Train an object detector on your own pictures. Copy this file and change what you need.

python recipes/vision_finetune.py                        # on generated scenes
python recipes/vision_finetune.py pictures/              # on yours: COCO, Pascal VOC or YOLO
python recipes/vision_finetune.py pictures/ runs/earlier # starting from an earlier run
"""

import sys

import zoo

DATA = sys.argv[1] if len(sys.argv) > 1 else ""
WEIGHTS = sys.argv[2] if len(sys.argv) > 2 else ""

SETTINGS = {
    # The longer side of what the model sees, in pixels; by default your objects decide.
    # "task.size": 640,
    # Objects that look the same upside down, such as cells: flip that way too.
    # "task.vertical_flip": 0.5,
    # Pictures far larger than their objects: look at them in tiles.
    # "task.tile": 640,
    # Keep pictures of one video, patient or place in one split: what their names begin with.
    # "data.group": r"^[^_]+",
}


def main() -> None:
    for finding in zoo.check_data("vision", data=DATA, settings=SETTINGS):
        print(f"{finding.level}: {finding.message} {finding.where}")

    run = zoo.train("vision", data=DATA, weights=WEIGHTS, settings=SETTINGS)

    for system in run.evaluation["systems"]:
        for name in ("map50", "map"):
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
