"""Does a source help a detector where few pictures are labelled?

    python benchmarks/vision_transfer.py --data FOLDER --work FOLDER [--seeds 0 1 2]
    python benchmarks/vision_transfer.py --data FOLDER --work FOLDER --source RUN --split val

The target is a Pascal VOC folder with the official lists train, val and test. Of its
training pictures a share is kept, drawn by the seed; val and test stay whole. Detectors
from scratch and from the source have the same size, recipe and number of steps; the stages
that the recipe has for each start keep their proportions.

The source is a run of the recipe on generated scenes, made once and with one seed, so the
spread does not hold that of sources. Every run keeps its best weights on val, so what
`--split val` shows was also chosen there.

The source trains on all cores. The others train `--jobs` at a time, each on cores of its
own. All runs are kept in `--work`: if the benchmark is stopped, the same command goes on
from there. With the same options, further seeds and the other split may be added.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import zoo
from zoo.api import resolve
from zoo.config import from_options, from_settings, to_toml
from zoo.runs import Run
from zoo.storage import jsonable, write_json, write_text

if TYPE_CHECKING:
    from zoo.recipe import Recipe

SHARES = (0.1, 1.0)
STARTS = ("scratch", "source")
METRICS = {"map50": "mAP@.5", "map": "mAP@[.5:.95]"}
VALIDATIONS = 10
"""In a run, about."""
PROTOCOL = (
    *("data", "source", "source_images", "source_steps"),
    *("steps_small", "steps", "model_size", "size", "set"),
)
"""The options that have to be the same for all that is in one folder."""
LOG_SHOWN = 2000
"""Characters of the log of a training that failed."""


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("Stopped. The same command goes on from here."))
    arguments = parse_arguments()
    check_protocol(arguments)
    source = arguments.source or train_source(arguments)
    jobs = {
        (share, start, seed): arguments.work / f"{share:g}-{start}-{seed}"
        for share, seed, start in product(SHARES, arguments.seeds, STARTS)
    }
    for (share, start, seed), folder in jobs.items():
        data = write_share(arguments.data, share, seed, arguments.work / f"data-{share:g}-{seed}")
        steps = arguments.steps if share == 1 else arguments.steps_small
        weights = str(source) if start == "source" else ""
        prepare(folder, target_recipe(arguments, data, seed, weights), steps, images_in(data))
    train_all(list(jobs.values()), arguments.jobs)
    values = {job: measured(folder, arguments.split) for job, folder in jobs.items()}
    print(f"split {arguments.split}, seeds {arguments.seeds}; mean (sd, of n - 1)")
    if not arguments.source:
        print(f"source, on its own scenes: {line([measured(arguments.work / 'source', 'test')])}")
    print_table(values, arguments.seeds)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=absolute, required=True, help="Pascal VOC folder")
    parser.add_argument("--work", type=absolute, required=True, help="folder that keeps all runs")
    parser.add_argument("--source", type=absolute, help="run to start from, if there is one")
    parser.add_argument("--source-images", type=int, default=2000, help="scenes (%(default)s)")
    parser.add_argument("--source-steps", type=int, default=2500, help="(%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps-small", type=int, default=500, help="with 10 %% (%(default)s)")
    parser.add_argument("--steps", type=int, default=900, help="with all pictures (%(default)s)")
    parser.add_argument("--model-size", default="nano", help="(%(default)s)")
    parser.add_argument("--size", type=int, default=320, help="longest side in px (%(default)s)")
    parser.add_argument("--split", choices=("val", "test"), default="test", help="(%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time (%(default)s)")
    parser.add_argument("--set", action="append", default=[], help="a setting on the target")
    arguments = parser.parse_args()
    for name in ("train", "val", "test"):
        if not list_of(arguments.data, name).is_file():
            parser.error(f"{list_of(arguments.data, name)} is missing: the lists must be official")
    arguments.jobs = max(1, min(arguments.jobs, len(os.sched_getaffinity(0))))
    return arguments


def absolute(path: str) -> Path:
    return Path(path).resolve()


def check_protocol(arguments: argparse.Namespace) -> None:
    """Exit if the folder holds trainings with other options, or of another recipe."""
    recipe = target_recipe(arguments, arguments.data, seed=0, weights="")
    options = {name: getattr(arguments, name) for name in PROTOCOL}
    protocol = jsonable({**options, "recipe": recipe.resolved.dump()})
    file = arguments.work / "protocol.json"
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != protocol:
        sys.exit(f"{arguments.work} was made with other options, see {file}. Give another --work.")
    write_json(file, protocol)


# Recipes and data


def train_source(arguments: argparse.Namespace) -> Path:
    """Return the run on generated scenes, which is trained at first use."""
    images, folder = arguments.source_images, arguments.work / "source"
    recipe = resolve("vision", settings={**common(arguments), "data.images": images})
    prepare(folder, recipe, arguments.source_steps, math.ceil(0.8 * images))
    train_all([folder], 1)
    return runs_in(folder)[0].path


def target_recipe(arguments: argparse.Namespace, data: Path, seed: int, weights: str) -> Recipe:
    own = from_settings({**common(arguments), "seed": seed}, "benchmark")
    settings = [*own, *from_options(arguments.set)]
    return resolve("vision", data=str(data), weights=weights, settings=settings)


def common(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of all trainings."""
    return {
        "task.size": arguments.size,
        "model.size": arguments.model_size,
        "evaluation.baselines": False,
        "evaluation.samples": 0,
    }


def prepare(folder: Path, recipe: Recipe, steps: int, images: int) -> None:
    """Write the settings of a training of so many steps on so many images."""
    epoch = math.ceil(images / recipe.train.batch_size)
    values = recipe.resolved.dump()
    values["train"]["stages"] = fitted_stages(recipe, steps, epoch)
    values["train"]["validate_every"] = steps / epoch / VALIDATIONS
    write_text(folder / "config.toml", to_toml(values))


def fitted_stages(recipe: Recipe, steps: int, epoch: int) -> list[dict[str, Any]]:
    """Return the recipe's stages for this start, scaled to so many steps in all."""
    skipped = "transfer" if recipe.weights == "none" else "scratch"
    stages = [stage for stage in recipe.train.stages if stage.when != skipped]
    lengths = [stage.length(epoch) for stage in stages]
    fitted = [max(1, round(steps * length / sum(lengths))) for length in lengths]
    fitted[-1] += steps - sum(fitted)
    scaled = [
        {**asdict(stage), "epochs": None, "steps": length}
        for stage, length in zip(stages, fitted, strict=True)
    ]
    return [{name: value for name, value in stage.items() if value is not None} for stage in scaled]


def write_share(data: Path, share: float, seed: int, folder: Path) -> Path:
    """Return a folder with only a share of the training images in its list."""
    if folder.exists():
        return folder
    rows = list_of(data, "train").read_text(encoding="utf-8").splitlines()
    rows = [row for row in rows if row.strip()]
    kept = np.random.default_rng(seed).permutation(len(rows))[: max(1, round(share * len(rows)))]
    with zoo.publish_folder(folder) as temporary:
        for name in ("Annotations", "JPEGImages"):
            (temporary / name).symlink_to(data / name)
        list_of(temporary, "train").parent.mkdir(parents=True)
        list_of(temporary, "train").write_text("".join(f"{rows[row]}\n" for row in sorted(kept)))
        for name in ("val", "test"):
            shutil.copyfile(list_of(data, name), list_of(temporary, name))
    return folder


def list_of(data: Path, split: str) -> Path:
    return data / "ImageSets" / "Main" / f"{split}.txt"


def images_in(data: Path) -> int:
    return len(list_of(data, "train").read_text(encoding="utf-8").splitlines())


# Trainings


def train_all(folders: Sequence[Path], at_once: int) -> None:
    """Carry out the trainings prepared in `folders`, or what is left of them."""
    waiting = [folder for folder in folders if not finished(folder)]
    free = np.array_split(sorted(os.sched_getaffinity(0)), at_once)
    running: dict[Path, tuple[subprocess.Popen[bytes], np.ndarray]] = {}
    try:
        while waiting or running:
            while waiting and free:
                folder, cores = waiting.pop(0), free.pop(0)
                running[folder] = start(folder, cores), cores
            time.sleep(1)
            over = [each for each, (process, _) in running.items() if process.poll() is not None]
            for folder in over:
                process, cores = running.pop(folder)
                free.append(cores)
                check(folder, process.returncode)
    finally:
        stop([process for process, _ in running.values()])


def start(folder: Path, cores: np.ndarray) -> subprocess.Popen[bytes]:
    """Begin or go on with a training, with one thread for each of its cores."""
    what: list[str | Path] = ["vision", "--config", folder / "config.toml", "--runs", folder]
    if begun := runs_in(folder):
        what = ["--resume", begun[0].path]
    pinned = ["taskset", "-c", ",".join(map(str, cores))] if shutil.which("taskset") else []
    threads = str(len(cores))
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [*pinned, sys.executable, "-m", "zoo.cli", "train", *what, "--quiet"],
            env={**os.environ, "TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End trainings; they write a checkpoint first."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()


def check(folder: Path, code: int) -> None:
    """Say that a training is over, or exit if it failed."""
    if code:
        log = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
        sys.exit(f"{log[-LOG_SHOWN:]}\n{folder.name} ended with {code}.")
    seconds = runs_in(folder)[0].about["seconds"]["training"]
    print(f"{folder.name}: {seconds:,.0f} s of training", file=sys.stderr, flush=True)


def runs_in(folder: Path) -> list[Run]:
    """Return the run of a training; none before it has begun."""
    return [Run(config.parent) for config in folder.glob("*/config.toml")]


def finished(folder: Path) -> bool:
    return any(run.about["status"] == "finished" for run in runs_in(folder))


# Results


def measured(folder: Path, split: str) -> dict[str, float]:
    """Return the metrics of a training's model."""
    (run,) = runs_in(folder)
    if split == "test":
        values = run.evaluation["systems"][0]["values"]
        return {name: values[name]["value"] for name in METRICS}
    # The model has the weights of the best validation of the last stage.
    validations = [event for event in run.events() if event["event"] == "epoch"]
    last = [each for each in validations if each["stage"] == validations[-1]["stage"]]
    return max((each["validation"] for each in last), key=lambda values: values["map"])


def print_table(
    values: Mapping[tuple[float, str, int], Mapping[str, float]], seeds: Sequence[int]
) -> None:
    """Print each share's starts, and the gain of the source seed by seed."""
    for share in SHARES:
        scratch, source = ([values[share, start, seed] for seed in seeds] for start in STARTS)
        gain = [
            {name: theirs[name] - ours[name] for name in METRICS}
            for ours, theirs in zip(scratch, source, strict=True)
        ]
        print(f"{share:.0%} of the pictures")
        print(f"  from scratch    {line(scratch)}")
        print(f"  from the source {line(source)}")
        print(f"  gain            {line(gain)}")


def line(rows: Sequence[Mapping[str, float]]) -> str:
    return ", ".join(
        f"{title} {spread([row[name] for row in rows])}" for name, title in METRICS.items()
    )


def spread(values: Sequence[float]) -> str:
    deviation = f" (sd {statistics.stdev(values):.3f})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{deviation}"


if __name__ == "__main__":
    main()
