"""The vision recipe beside Ultralytics' smallest model, both from scratch.

    python benchmarks/vision.py --data FOLDER [--minutes 20] [--size 320] [--peer yolo26n]
    python benchmarks/vision.py --data FOLDER --minutes 20 --only peer --results FILE.json
    python benchmarks/vision.py --data FOLDER --minutes 20 --only ours --results FILE.json
    python benchmarks/vision.py --data FOLDER --set task.vertical_flip=0.5 --peer-set 'flipud: 0.5'

Both sides take the same images, boxes, longest side, time and cores, one after the other,
each in a process of its own. Both train on the training split, choose their checkpoint on
the validation split and are measured on `--split` by pycocotools, on boxes in the original
pixels. Ours trains first: for as long as its recipe says or, with `--minutes` or `--steps`,
for so long. The peer then gets as many seconds as ours took. Validations count on both
sides. Images a second are those of the median step, without validations.

The peer is Ultralytics with its defaults: batch 16, its own augmentation, optimizer and
schedule, which it fits to the time. It computes in float32, as it refuses bfloat16 on a CPU.

At its first use the peer is installed in an environment of its own, `--peer-home`: PyTorch
as pip finds it, a stand-in for torchvision, and Ultralytics. All that detection takes of
torchvision is non-maximum suppression, for which the stand-in calls OpenCV's; it keeps the
same boxes. So nothing has to be found for CPUs but PyTorch itself: on Linux set
PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu, or pip brings the larger build for
GPUs. To use the real torchvision, make the environment beforehand, and give it as
`--peer-home`:

    python -m venv FOLDER && FOLDER/bin/pip install ultralytics
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import math
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from zoo_vision.images import ImageFile
from zoo_vision.labels import numbered

import zoo
from zoo.api import resolve
from zoo.config import Given, from_options, from_settings
from zoo.data.examples import all_rows
from zoo.settings import cache_folder
from zoo.storage import write_json
from zoo.training.listeners import Listener

if TYPE_CHECKING:
    from zoo.recipe import Recipe

TORCH, TORCHVISION, ULTRALYTICS = "2.13.0", "0.28.0", "8.4.190"
TORCHVISION_NMS = '''"""Stands in for torchvision, of which detection takes only this."""

import cv2
import torch


def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Return the rows that are kept, those of the highest scores first."""
    start, end = boxes.double().split(2, dim=1)
    places = torch.cat([start, end - start], dim=1).numpy()
    kept = cv2.dnn.NMSBoxes(places, scores.float().numpy(), 0.0, iou_threshold)
    return torch.as_tensor(kept, dtype=torch.int64).reshape(-1)
'''
PEER = Path(__file__).with_name("vision_peer.py")
COPIED = (".bmp", ".jpeg", ".jpg", ".png")
"""Images that the peer reads as they are; others are written as PNG for it."""
SPLITS = {"train": "train", "val": "validation", "test": "test"}
"""The splits' names in the peer's layout, and ours."""
ROWS = {
    "images_a_second": "images a second in training",
    "seconds": "training seconds",
    "map50": "mAP@.5",
    "map": "mAP@[.5:.95]",
    "small": "  small objects, below 32² px",
    "medium": "  medium, up to 96² px",
    "large": "  large",
}
STATS = {"map": 0, "map50": 1, "small": 3, "medium": 4, "large": 5}
"""Places of the metrics in what pycocotools summarizes."""
WARM_UP_STEPS = 64
MOST_VALIDATIONS = 50
"""In a stage, as the core has it."""


@dataclass(frozen=True)
class Trained:
    """What one side did.

    Attributes:
        system: what it is called.
        parameters: how many it has.
        seconds: spent on training, validations included.
        steps: when each step was over, in seconds from the beginning.
        images_a_step: in the mean.
        detections: as COCO results; images by row, classes from 0.
    """

    system: str
    parameters: int
    seconds: float
    steps: list[float]
    images_a_step: float
    detections: list[dict[str, Any]]

    @property
    def images_a_second(self) -> float | None:
        """Images over the time of the median step; None if there is hardly a step."""
        if len(self.steps) < 2:
            return None
        return self.images_a_step / float(np.median(np.diff(self.steps)))


def main() -> None:
    arguments = parse_arguments()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    results = stored_results(arguments)
    data = load(recipe_of(arguments))
    truth = coco_truth(data, SPLITS[arguments.split])

    def finish(side: str, trained: Trained) -> None:
        results[side] = {
            "system": trained.system,
            "parameters": trained.parameters,
            "images_a_second": trained.images_a_second,
            "seconds": trained.seconds,
            **coco_metrics(truth, trained.detections),
        }
        if arguments.results:
            write_json(arguments.results, results)

    if arguments.only != "peer":
        say("ours trains")
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            finish("ours", process.submit(train_ours, arguments).result())
    if arguments.only != "ours":
        seconds = seconds_for_peer(arguments, results)
        say(f"the peer trains for {seconds:.0f} seconds")
        finish("peer", train_peer(arguments, data, seconds))
    print_table(results)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder, as for `zoo train vision --data`")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, help="of training; our steps are fitted to it")
    length.add_argument("--steps", type=int, help="of our training")
    parser.add_argument("--size", type=int, default=320, help="longest side in px (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=("val", "test"), default="test", help="(%(default)s)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="cores")
    parser.add_argument("--peer", default="yolo11n", help="such as yolo26n (%(default)s)")
    parser.add_argument("--peer-home", type=Path, default=cache_folder() / "ultralytics")
    parser.add_argument("--only", choices=("ours", "peer"), help="train one side")
    parser.add_argument("--results", type=Path, help="JSON file that keeps both sides")
    parser.add_argument("--set", action="append", default=[], help="a setting of our recipe")
    parser.add_argument(
        "--peer-set", action="append", default=[], help="one of the peer's, such as 'flipud: 0.5'"
    )
    parser.add_argument("--runs", help="folder that keeps our run, with its report")
    arguments = parser.parse_args()
    if arguments.only == "peer" and not (arguments.minutes or arguments.results):
        parser.error("--only peer needs --minutes, or --results with our side")
    return arguments


def stored_results(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the sides measured earlier under the same protocol."""
    data = str(Path(arguments.data).resolve())
    same = {name: getattr(arguments, name) for name in ("size", "seed", "split", "threads")}
    protocol = {"data": data, **same}
    if not (arguments.results and arguments.results.exists()):
        return {"protocol": protocol}
    results = json.loads(arguments.results.read_text(encoding="utf-8"))
    if results["protocol"] != protocol:
        sys.exit(f"{arguments.results} was made with {results['protocol']}, not {protocol}.")
    return results


def seconds_for_peer(arguments: argparse.Namespace, results: dict[str, Any]) -> float:
    """Return what ours took, or what both are given."""
    if "ours" in results:
        return results["ours"]["seconds"]
    if not arguments.minutes:
        sys.exit(f"{arguments.results} lacks our side, so --only peer needs --minutes.")
    return arguments.minutes * 60


# Data


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    return resolve("vision", data=arguments.data, settings=settings_of(arguments))


def settings_of(arguments: argparse.Namespace, **further: Any) -> list[Given]:
    own = {"task.size": arguments.size, "seed": arguments.seed}
    own |= {"evaluation.baselines": False, "evaluation.samples": 0}
    return [*from_settings({**own, **further}, "benchmark"), *from_options(arguments.set)]


def load(recipe: Recipe) -> zoo.Data:
    return recipe.dataset.load(seed=recipe.seed, cache=cache_folder())


def coco_truth(data: zoo.Data, split: str) -> COCO:
    """Return the boxes of a split as pycocotools takes them; images by row, classes from 0."""
    names = data.info.facts["classes"]
    batch = numbered(all_rows(data.splits[split]), names)
    truth = COCO()
    truth.dataset = {
        "images": [{"id": row} for row in range(len(batch["id"]))],
        "categories": [{"id": index} for index in range(len(names))],
        "annotations": coco_boxes(batch),
    }
    for annotation, crowd in zip(
        truth.dataset["annotations"], np.concatenate(batch["crowd"]), strict=True
    ):
        annotation["iscrowd"] = int(crowd)
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth


def coco_boxes(batch: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return columns `boxes`, `classes` by number and, if there, `scores` in COCO's form."""
    entries: list[dict[str, Any]] = []
    for row, (boxes, classes) in enumerate(zip(batch["boxes"], batch["classes"], strict=True)):
        sides = np.asarray(boxes, np.float64).reshape(-1, 4).copy()
        sides[:, 2:] -= sides[:, :2]
        for place, (box, index) in enumerate(zip(sides, classes, strict=True)):
            entry = {
                "id": len(entries) + 1,
                "image_id": row,
                "category_id": int(index),
                "bbox": box.tolist(),
                "area": float(box[2] * box[3]),
            }
            if "scores" in batch:
                entry["score"] = float(batch["scores"][row][place])
            entries.append(entry)
    return entries


def coco_metrics(truth: COCO, detections: list[dict[str, Any]]) -> dict[str, float | None]:
    """Return what pycocotools makes of detections; None where there is nothing to find."""
    if not detections:
        return dict.fromkeys(STATS, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    found = {name: float(evaluation.stats[place]) for name, place in STATS.items()}
    return {name: value if value >= 0 else None for name, value in found.items()}


# Ours


def train_ours(arguments: argparse.Namespace) -> Trained:
    """Train the recipe and detect; runs in a process of its own."""
    recipe, clock = recipe_of(arguments), Clock()
    data = load(recipe)
    stages = fitted_stages(arguments, recipe, len(data.splits["train"]))
    further = {"train.stages": stages} if stages else {}
    with tempfile.TemporaryDirectory() as temporary:
        settings, runs = settings_of(arguments, **further), arguments.runs or temporary
        run = zoo.train(
            "vision", data=arguments.data, settings=settings, runs=runs, listeners=[clock]
        )
        bundle = zoo.load(run.bundle)
        predictions = bundle.predict(data.splits[SPLITS[arguments.split]])
        return Trained(
            system=f"zoo train {recipe.address}",
            parameters=run.about["parameters"],
            seconds=run.about["seconds"]["training"],
            steps=clock.steps,
            images_a_step=recipe.train.batch_size,
            detections=coco_boxes(numbered(predictions, data.info.facts["classes"])),
        )


def fitted_stages(
    arguments: argparse.Namespace, recipe: Recipe, images: int
) -> list[dict[str, Any]]:
    """Return the recipe's stages with as many steps as were asked for; empty to keep them."""
    if not (arguments.minutes or arguments.steps):
        return []
    stages = [stage for stage in recipe.train.stages if stage.when != "transfer"]
    steps = arguments.steps or warm_up(arguments).steps_within(arguments.minutes * 60, len(stages))
    lengths = [stage.length(max(1, images // recipe.train.batch_size)) for stage in stages]
    fitted = []
    for stage, length in zip(stages, lengths, strict=True):
        values = {**dataclasses.asdict(stage), "epochs": None}
        values["steps"] = max(1, round(steps * length / sum(lengths)))
        fitted.append({name: value for name, value in values.items() if value is not None})
    return fitted


def warm_up(arguments: argparse.Namespace) -> Clock:
    """Train for a moment, to learn how fast it is."""
    clock = Clock()
    short = {"train.stages": [{"name": "warm-up", "steps": WARM_UP_STEPS}]}
    settings = settings_of(arguments, **short)
    with tempfile.TemporaryDirectory() as runs:
        zoo.train("vision", data=arguments.data, settings=settings, runs=runs, listeners=[clock])
    return clock


class Clock(Listener):
    """Times the steps and validations of a run."""

    def __init__(self) -> None:
        self.began = 0.0
        self.steps: list[float] = []
        self.validations: list[float] = []

    def on_step(self, progress: Any, steps: int, loss: float) -> None:
        self.steps.append(time.perf_counter() - self.began)

    def on_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "stage" and not self.steps:
            self.began = time.perf_counter()
        if event["event"] == "epoch":
            self.validations.append(time.perf_counter() - self.began - self.steps[-1])

    def steps_within(self, seconds: float, stages: int) -> int:
        """Return how many steps surely fit into `seconds`, tracing and validations included."""
        step = float(np.median(np.diff(self.steps)))
        validation = statistics.median(self.validations)
        left = 0.97 * seconds - stages * self.steps[0]
        interval = len(self.steps) / len(self.validations)
        rarely = (left - stages * MOST_VALIDATIONS * validation) / step
        return math.floor(max(1.0, left / (step + validation / interval), rarely))


# The peer


def train_peer(arguments: argparse.Namespace, data: zoo.Data, seconds: float) -> Trained:
    """Train Ultralytics for so many seconds and detect, in its own environment."""
    python = peer_python(arguments.peer_home.resolve())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = ("size", "seed", "split", "threads")
        request = {
            "model": arguments.peer,
            "data": str(write_yolo(data, folder)),
            "seconds": seconds,
            "folder": temporary,
            "settings": yaml.safe_load("{" + ", ".join(arguments.peer_set) + "}"),
            **{name: getattr(arguments, name) for name in names},
        }
        write_json(folder / "request.json", request)
        answer = folder / "answer.json"
        quiet = {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "YOLO_CONFIG_DIR": temporary}
        subprocess.run(
            [python, "-I", PEER, folder / "request.json", answer],
            cwd=folder,
            env={**os.environ, **quiet},
            stdout=sys.stderr,
            check=True,
        )
        return Trained(**json.loads(answer.read_text(encoding="utf-8")))


def peer_python(home: Path) -> Path:
    """Return the interpreter of the peer's environment, which is made if need be."""
    python = home / "bin" / "python"
    probe = "from importlib.util import find_spec as find; exit(not find('ultralytics'))"
    if python.exists() and subprocess.run([python, "-I", "-c", probe], check=False).returncode == 0:
        return python
    say(f"installing Ultralytics in {home}")
    pip: list[str | Path] = [python, "-I", "-m", "pip", "install", "--quiet"]
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    subprocess.run([*pip, f"torch=={TORCH}"], check=True)
    write_torchvision(next(home.glob("lib/python*/site-packages")))
    subprocess.run([*pip, f"ultralytics=={ULTRALYTICS}"], check=True)
    return python


def write_torchvision(packages: Path) -> None:
    """Install the stand-in for torchvision, so that pip, too, takes it for the real one."""
    about = packages / f"torchvision-{TORCHVISION}.dist-info"
    for folder in (packages / "torchvision", about):
        folder.mkdir(exist_ok=True)
    metadata = f"Metadata-Version: 2.1\nName: torchvision\nVersion: {TORCHVISION}\n"
    (about / "METADATA").write_text(metadata, encoding="utf-8")
    (packages / "torchvision" / "__init__.py").write_text("from . import ops\n", encoding="utf-8")
    (packages / "torchvision" / "ops.py").write_text(TORCHVISION_NMS, encoding="utf-8")


def write_yolo(data: zoo.Data, folder: Path) -> Path:
    """Write all splits in the peer's layout, images named by their row; return its yaml."""
    names = list(data.info.facts["classes"])
    for name, split in SPLITS.items():
        images, labels = (folder / kind / name for kind in ("images", "labels"))
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        batch = numbered(all_rows(data.splits[split]), names)
        for row in range(len(batch["id"])):
            example = {column: values[row] for column, values in batch.items()}
            write_picture(example["image"], images / f"{row:06}")
            (labels / f"{row:06}.txt").write_text(yolo_labels(example), encoding="utf-8")
    places = {name: f"images/{name}" for name in SPLITS}
    # JSON is YAML, too.
    write_json(folder / "data.yaml", {"path": str(folder), **places, "names": names})
    return folder / "data.yaml"


def write_picture(picture: Any, stem: Path) -> None:
    """Copy the file where the peer can read it; it may repair it, so a link would not do."""
    if isinstance(picture, ImageFile) and picture.path.suffix.lower() in COPIED:
        shutil.copyfile(picture.path, stem.with_suffix(picture.path.suffix.lower()))
    else:
        Image.fromarray(picture.read()).save(stem.with_suffix(".png"))


def yolo_labels(example: dict[str, Any]) -> str:
    """Return a line for each box: class, centre and size as shares of the image."""
    keep = ~example["crowd"]
    extent = np.array([example["width"], example["height"]], np.float64)
    corners = np.clip(example["boxes"][keep].reshape(-1, 2, 2) / extent, 0, 1)
    centre, size = corners.mean(axis=1), corners[:, 1] - corners[:, 0]
    lines = zip(example["classes"][keep], np.hstack([centre, size]), strict=True)
    return "".join(f"{index} {' '.join(f'{value:.8f}' for value in box)}\n" for index, box in lines)


# Results


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def print_table(results: dict[str, Any]) -> None:
    """Print each side that there is, and the ratio of ours to the peer's."""
    sides = [side for side in ("ours", "peer") if side in results]
    protocol = results["protocol"]
    print(", ".join(f"{name} {value}" for name, value in protocol.items()))
    for side in sides:
        system = results[side]
        print(f"{side}: {system['system']}, {system['parameters']:,} parameters")
    titles = [*sides, *(["ours / peer"] if len(sides) == 2 else [])]
    print(f"{'':32}" + "".join(f"{title:>14}" for title in titles))
    for name, title in ROWS.items():
        values = [results[side][name] for side in sides]
        cells = [figure(name, value) for value in values]
        if len(sides) == 2:
            ours, theirs = values
            cells.append(f"{ours / theirs:.3f}" if ours is not None and theirs else "-")
        print(f"{title:32}" + "".join(f"{cell:>14}" for cell in cells))


def figure(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if name in STATS else f"{value:,.1f}"


if __name__ == "__main__":
    main()
