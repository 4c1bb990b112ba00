"""The peer's side of `vision.py`; runs in the peer's own environment, started by that script.

    python benchmarks/vision_peer.py REQUEST.json ANSWER.json

Ultralytics with its defaults. Changed is only what a CPU without network needs, and the
number of threads: left alone, Ultralytics keeps one core back for itself.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
import ultralytics
from ultralytics import YOLO


def main(request: dict[str, Any], answer: Path) -> None:
    offline = {"device": "cpu", "amp": False, "plots": False}
    model = YOLO(f"{request['model']}.yaml")
    clock = Clock(request["threads"])
    model.add_callback("on_train_start", clock.start)
    model.add_callback("on_train_batch_end", clock.step)
    model.add_callback("on_model_save", clock.stop)
    model.train(
        data=request["data"],
        imgsz=request["size"],
        seed=request["seed"],
        time=request["seconds"] / 3600,
        pretrained=False,
        project=request["folder"],
        name="run",
        **offline,
        **request["settings"],
    )
    best = YOLO(Path(request["folder"]) / "run" / "weights" / "best.pt")
    content = {
        "system": f"{request['model']}, Ultralytics {ultralytics.__version__}",
        "parameters": sum(weight.numel() for weight in best.model.parameters()),
        "seconds": clock.seconds,
        "steps": clock.steps,
        "images_a_step": clock.images_a_step,
        "detections": detections(best, request, offline),
    }
    answer.write_text(json.dumps(content), encoding="utf-8")


class Clock:
    """Times training from its first step to its last checkpoint, validations included.

    Args:
        threads: how many PyTorch is given.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.steps: list[float] = []
        self.seconds = 0.0
        self.images_a_step = 0.0

    def start(self, trainer: Any) -> None:
        # Not earlier: Ultralytics sets its own number when it selects the device.
        torch.set_num_threads(self.threads)
        loader = trainer.train_loader
        self.images_a_step = len(loader.dataset) / len(loader)
        self.began = time.perf_counter()

    def step(self, trainer: Any) -> None:
        self.steps.append(time.perf_counter() - self.began)

    def stop(self, trainer: Any) -> None:
        self.seconds = time.perf_counter() - self.began


def detections(
    model: YOLO, request: dict[str, Any], options: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return boxes in the COCO results format, as Ultralytics makes them for its own figures.

    Images are numbered by their file's name, classes from 0.
    """
    found: list[dict[str, Any]] = []

    def collect(validator: Any) -> None:
        number = {category: index for index, category in enumerate(validator.class_map)}
        found.extend(
            {**each, "category_id": number[each["category_id"]]} for each in validator.jdict
        )

    model.add_callback("on_val_end", collect)
    model.val(
        data=request["data"],
        split=request["split"],
        imgsz=request["size"],
        save_json=True,
        project=request["folder"],
        name="measured",
        **options,
    )
    return found


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
