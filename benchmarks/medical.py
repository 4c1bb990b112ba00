"""The medical recipes on PneumoniaMNIST and on generated scans, beside MONAI.

    python benchmarks/medical.py classify --data NPZ        # the official test, several seeds
    python benchmarks/medical.py labels --data NPZ          # few of the labels
    python benchmarks/medical.py segment --dimensions 2     # masks of generated pictures, or 3

NPZ is `pneumoniamnist.npz` of MedMNIST, with its official splits. Temperature, threshold and
weights are chosen on validation; the test split is only measured. `--set` changes a setting of
the recipe, and `--effort` is the share of the recipe's epochs that is trained, so that several
seeds do not take an hour; `--effort 1` is the recipe as it is.

`classify` prints the calibration error of the likelier class's probability, before and after it
is scaled. `labels` trains on a share of the training scans, which ones depends on the seed, in
four ways: from scratch; from `medical/contrast` and from `medical/pretrain` on all training scans
without their labels; and from a run on generated scans. One such run serves all seeds. A gain is
of two runs of one seed.

`segment` trains our U-Net and MONAI's on the very same batches, without augmentation, in rounds,
while the other waits; the first round does not count for the speed. A ratio is of the times of
one round. Both have the same steps, learning rates, decay and clipping, and the weights after the
last step are tested on the same scans. Of MONAI's layouts `equal` has our channels and about our
parameters, but halves its features once less, which takes more multiplications (1.4 times as
many for pictures, 1.1 for volumes); `deep` of size small halves them as often as ours and has
about our parameters with fewer multiplications (.7 and .5 times). The peer is tried in float32
and with bfloat16 autocast, and has an environment of its own, `--peer-home`, which is made where
there is none.

All use the cores that the process may use; `taskset --cpu-list 0,1` before the command chooses.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from peers import Peer, Rounds, peer_python, print_rates, trainer_of
from scipy.special import expit, logit
from speech import settings_of

import zoo
from zoo.api import resolve
from zoo.data.order import Order
from zoo.inference import Sweep
from zoo.recipe import Recipe
from zoo.settings import cache_folder
from zoo.storage import write_json
from zoo.training.loop import Trainer

PACKAGES = ("torch==2.13.0", "monai==1.6.1")
PEER = Path(__file__).with_name("medical_peer.py")
PEERS = {
    f"{layout}-{precision}": {"layout": layout, "bfloat16": precision == "bfloat16"}
    for layout in ("equal", "deep")
    for precision in ("float32", "bfloat16")
}
USUAL_PEERS = ["equal-float32", "equal-bfloat16"]
CORES = len(os.sched_getaffinity(0))
NAMES = {"data.classes": ["normal", "pneumonia"]}
MEASURED = {"evaluation.baselines": False, "evaluation.samples": 0}
METRICS = ("auroc", "accuracy", "sensitivity", "specificity")

LAYOUTS: dict[str, dict[str, dict[str, Any]]] = {
    "equal": {
        "tiny": {"channels": (16, 32, 64), "strides": (1, 2), "num_res_units": 2},
        "small": {"channels": (32, 64, 128, 256), "strides": (1, 2, 2), "num_res_units": 4},
    },
    "deep": {
        "tiny": {"channels": (16, 32, 48, 64), "strides": (1, 2, 2), "num_res_units": 1},
        "small": {
            "channels": (32, 64, 128, 192, 256),
            "strides": (1, 2, 2, 2),
            "num_res_units": 2,
        },
    },
}
"""Of MONAI's U-Net for the sizes of ours; the last of its channels are not halved once more."""
SEGMENTATION: dict[int, dict[str, Any]] = {
    2: {"data.size": 64, "model.size": "small", "train.batch_size": 8},
    3: {
        "data.size": 32,
        "model.size": "tiny",
        "train.batch_size": 4,
        "train.learning_rate": 5e-3,
    },
}
"""Settings of the generator, the network and the training, for pictures and volumes."""
ROUND = {2: 50, 3: 80}
"""Steps of a round, for pictures and volumes.

Lesions are .3 % of the volumes that have one. At the recipe's learning rate our U-Net finds next
to none of them within half as many steps.
"""


def main() -> None:
    arguments = parse_arguments()
    {"classify": classify, "labels": labels, "segment": segment}[arguments.command](arguments)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, seeds, effort in (("classify", 5, 0.25), ("labels", 5, 1.0), ("segment", 1, None)):
        command = commands.add_parser(name)
        command.add_argument("--seeds", type=int, default=seeds, help="from 0 on (%(default)s)")
        command.add_argument("--set", action="append", default=[], help="a setting of the recipe")
        if effort is not None:
            command.add_argument("--data", type=Path, required=True)
            command.add_argument("--runs", default="runs", help="(%(default)s)")
            command.add_argument(
                "--effort", type=float, default=effort, help="share of the epochs (%(default)s)"
            )
    few, masks = commands.choices["labels"], commands.choices["segment"]
    few.add_argument(
        "--sources", nargs="*", choices=SOURCES, default=list(SOURCES), help="beside from scratch"
    )
    few.add_argument(
        "--shares", nargs="*", type=float, default=[0.1], help="of the labels (%(default)s)"
    )
    few.add_argument("--source-steps", type=int, default=1500, help="of each source (%(default)s)")
    masks.add_argument("--dimensions", type=int, choices=(2, 3), required=True)
    masks.add_argument("--steps", type=int, help=f"of a round (by dimensions: {ROUND})")
    masks.add_argument("--rounds", type=int, default=5, help="that count (%(default)s)")
    masks.add_argument("--peers", nargs="*", choices=PEERS, default=USUAL_PEERS)
    masks.add_argument("--peer-home", type=Path, default=cache_folder() / "pytorch-medical")
    return parser.parse_args()


# Classes


def classify(arguments: argparse.Namespace) -> None:
    """Print what the recipe reaches on the official test split, seed by seed, and the spread."""
    test = resolve("medical/classify", data=str(arguments.data), settings=NAMES).dataset
    examples = test.load(seed=0, cache=cache_folder()).splits["test"]
    found = []
    for seed in range(arguments.seeds):
        arguments.seed = seed
        run, seconds = trained(arguments, {"task.operating_point": "youden"})
        before, after = calibration_errors(zoo.load(run.path), examples)
        values = {"seconds": seconds, **metrics_of(run), "ece before": before, "ece after": after}
        found.append(values)
        print(f"seed {arguments.seed}: {listed(values)}, {run.path}", flush=True)
    print(f"{len(examples):,} tested, {CORES} cores, {arguments.effort:g} of the recipe's epochs")
    print_spread({name: [each[name] for each in found] for name in found[0]})


def trained(
    arguments: argparse.Namespace, own: Mapping[str, Any], weights: str = ""
) -> tuple[zoo.Run, float]:
    """Train `medical/classify` and return the run, and how long all of it took, s."""
    settings = {**NAMES, **MEASURED, **own}
    data = str(arguments.data)
    recipe = resolve("medical/classify", data=data, settings=settings_of(arguments, settings))
    settings["train.stages"] = shortened(recipe, arguments.effort)
    began = time.perf_counter()
    run = zoo.train(
        "medical/classify",
        data=data,
        weights=weights,
        settings=settings_of(arguments, settings),
        runs=arguments.runs,
    )
    return run, time.perf_counter() - began


def shortened(recipe: Recipe, effort: float) -> list[dict[str, Any]]:
    """Return a recipe's stages with a share of their epochs."""
    stages = [asdict(stage) for stage in recipe.train.stages]
    for stage in stages:
        if stage["epochs"] is not None:
            stage["epochs"] *= effort
    return [{name: each for name, each in stage.items() if each is not None} for stage in stages]


def metrics_of(run: zoo.Run) -> dict[str, float]:
    values = run.evaluation["systems"][0]["values"]
    return {name: values[name]["value"] for name in METRICS}


def calibration_errors(bundle: zoo.Bundle, examples: zoo.Examples) -> tuple[float, float]:
    """Return the calibration error of the likelier of two classes, before and after scaling."""
    found = bundle.predict(examples)
    scaled = np.clip(found["probabilities"][:, 1], 1e-12, 1 - 1e-12)
    raw = expit(logit(scaled) * bundle.decision["temperature"])
    truth = zoo.all_rows(examples)["label"] == found["classes"][0, 1]

    def error(probability: np.ndarray) -> float:
        likelier = np.maximum(probability, 1 - probability)
        return zoo.expected_calibration_error(likelier, (probability >= 0.5) == truth)

    return error(raw), error(scaled)


def labels(arguments: argparse.Namespace) -> None:
    """Print what shares of the labels give from scratch and from each source, and the gain."""
    starts = {"scratch": ""}
    for name in arguments.sources:
        began = time.perf_counter()
        arguments.seed = 0
        starts[name] = str(SOURCES[name](arguments).path)
        print(f"{name}: one run, of seed 0, for all seeds, {time.perf_counter() - began:.0f} s")
    for share in arguments.shares:
        found: dict[str, list[dict[str, float]]] = {name: [] for name in starts}
        for seed in range(arguments.seeds):
            arguments.seed = seed
            for name, weights in starts.items():
                run, seconds = trained(arguments, {"data.train_share": share}, weights)
                values = {"seconds": seconds, **metrics_of(run)}
                found[name].append(values)
                print(f"seed {arguments.seed}, {name}: {listed(values)}", flush=True)
        print(f"{share:.0%} of the labels, {CORES} cores, {arguments.effort:g} of the epochs")
        for metric in ("auroc", "accuracy"):
            of = {name: np.array([each[metric] for each in runs]) for name, runs in found.items()}
            print(metric)
            print_spread(of)
            print_spread({f"{name} - scratch": of[name] - of["scratch"] for name in list(of)[1:]})


def without_labels(recipe: str, arguments: argparse.Namespace) -> zoo.Run:
    """Return a run of a recipe of pretraining on all training scans."""
    own = {**MEASURED, "train.stages": [{"steps": arguments.source_steps}]}
    settings = settings_of(argparse.Namespace(seed=0, set=[]), own)
    data, runs = str(arguments.data), arguments.runs
    return zoo.train(recipe, data=data, settings=settings, runs=runs)


def of_phantoms(arguments: argparse.Namespace) -> zoo.Run:
    """Return a run that learnt to tell generated scans with a lesion from those without."""
    own = {
        **MEASURED,
        "data.count": 4000,
        "data.size": 28,
        "train.stages": [{"steps": arguments.source_steps}],
    }
    settings = settings_of(argparse.Namespace(seed=0, set=[]), own)
    return zoo.train("medical/classify", settings=settings, runs=arguments.runs)


SOURCES: dict[str, Callable[[argparse.Namespace], zoo.Run]] = {
    "contrast": partial(without_labels, "medical/contrast"),
    "pretrain": partial(without_labels, "medical/pretrain"),
    "phantoms": of_phantoms,
}
"""What a run can start from, and what makes it."""


def listed(values: Mapping[str, float]) -> str:
    return ", ".join(
        f"{name} {value:.0f}" if name == "seconds" else f"{name} {value:.4f}"
        for name, value in values.items()
    )


def print_spread(columns: Mapping[str, Sequence[float] | np.ndarray]) -> None:
    """Print mean, standard deviation, least and largest of each column of values by seed."""
    print(f"  {'':20} {'mean':>9} {'sd':>9} {'least':>9} {'largest':>9}")
    for name, column in columns.items():
        values = [float(value) for value in column]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        four = (statistics.mean(values), spread, min(values), max(values))
        print(f"  {name:20} {' '.join(f'{value:9.4f}' for value in four)}", flush=True)


# Masks


def segment(arguments: argparse.Namespace) -> None:
    """Print Dice and training images a second of ours and of MONAI's, for each seed."""
    dice: dict[str, list[float]] = {}
    for seed in range(arguments.seeds):
        arguments.seed = seed
        for name, value in segmented(arguments).items():
            dice.setdefault(name, []).append(value)
    print("Dice of the test scans, by seed")
    print_spread(dice)


def segmented(arguments: argparse.Namespace) -> dict[str, float]:
    """Train all systems with one seed, print how fast they are, and return their Dice."""
    own = {"data.dimensions": arguments.dimensions, **SEGMENTATION[arguments.dimensions]}
    # Averaged weights are ours alone.
    own["train.ema"] = None
    recipe = resolve("medical/segment", settings=settings_of(arguments, own))
    round_steps = arguments.steps or ROUND[arguments.dimensions]
    steps = round_steps * (arguments.rounds + 1)
    trainer = trainer_of(recipe, steps)
    examples = recipe.dataset.load(seed=recipe.seed, cache=cache_folder()).splits["test"]
    with started_peers(arguments, recipe, trainer, examples, steps) as (peers, place):
        rounds = Rounds(peers, round_steps)
        trainer.listeners = [rounds]
        trainer.run()
        task, preprocessing = recipe.task, trainer.examples.preprocessing
        sweep = Sweep(task, preprocessing, examples, recipe.evaluation.batch_size)
        dice = {"ours": dice_of(recipe, examples, sweep.outputs(trainer.model))}
        windows = zoo.all_rows(task.windows(examples, preprocessing))
        for name, peer in peers.items():
            peer.ask()
            found = np.load(place / f"{name}.npy")
            outputs = task.restore(found, windows, zoo.all_rows(examples), preprocessing)
            dice[name] = dice_of(recipe, examples, outputs)
    size = trainer.distribution.batch_size(recipe.train.batch_size)
    print(
        f"seed {arguments.seed}, {CORES} cores, {steps} steps of {size} scans of "
        f"{' x '.join(map(str, preprocessing.tile))}, speed of {arguments.rounds} rounds"
    )
    print(f"ours: {trainer.model.count_params():,} parameters; {trainer.distribution.why}")
    print_rates(rounds.seconds, [size * round_steps] * arguments.rounds, "images", peers)
    print(f"Dice of {len(examples)} scans: {listed(dice)}", flush=True)
    return dice


def dice_of(recipe: Recipe, examples: zoo.Examples, outputs: Any) -> float:
    """Return the mean Dice of the scans where a pixel is likelier than not to be of a class."""
    truth = zoo.all_rows(examples)
    metrics = recipe.task.metrics(truth, recipe.task.decode(outputs, {}))
    (dice,) = (each for each in metrics if each.name == "dice")
    return dice.compute(np.ones(len(examples), np.int64))


@contextlib.contextmanager
def started_peers(
    arguments: argparse.Namespace,
    recipe: Recipe,
    trainer: Trainer,
    examples: zoo.Examples,
    steps: int,
) -> Iterator[tuple[dict[str, Peer], Path]]:
    """Yield the peers that were asked for, with our batches, and the folder of what they find."""
    preprocessing, train = trainer.examples.preprocessing, recipe.train
    space = preprocessing.space
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        place = Path(folder)
        write_batches(place / "batches.npz", trainer, steps)
        windows = zoo.all_rows(recipe.task.windows(examples, preprocessing))
        np.save(place / "test.npy", preprocessing.inputs(windows)["scan"])
        common = {
            "seed": arguments.seed,
            "threads": CORES,
            "batches": str(place / "batches.npz"),
            "test": str(place / "test.npy"),
            "dimensions": arguments.dimensions,
            "inputs": preprocessing.channels,
            "classes": len(space.classes),
            "mean": space.arrays["mean"].tolist(),
            "deviation": space.arrays["deviation"].tolist(),
            "learning_rate": train.learning_rate,
            "warmup": train.warmup,
            "weight_decay": train.weight_decay,
            "clip_norm": train.clip_norm,
        }
        home = arguments.peer_home.resolve()
        python = peer_python(home, PACKAGES, "monai, torch") if arguments.peers else Path()
        peers = {}
        for name in arguments.peers:
            layout = LAYOUTS[PEERS[name]["layout"]][recipe.model.size]
            own = {"layout": layout, "bfloat16": PEERS[name]["bfloat16"]}
            found = {"found": str(place / f"{name}.npy")}
            write_json(place / f"{name}.json", {**common, **own, **found})
            peers[name] = stack.enter_context(Peer(python, place / f"{name}.json", PEER))
        yield peers, place


def write_batches(path: Path, trainer: Trainer, steps: int) -> None:
    """Write the batches that the trainer will take: `scans` and `labels`, [steps, batch, ...]."""
    size = trainer.distribution.batch_size(trainer.config.batch_size)
    # The order of the trainer's first stage.
    order = Order(len(trainer.examples), size, trainer.seed * 1000)
    batches = [trainer.examples[order.batch(step)[0]] for step in range(steps)]
    scans = np.stack([inputs["scan"] for inputs, _, _ in batches])
    masks = np.stack([targets for _, targets, _ in batches]).astype(np.uint8)
    np.savez(path, scans=scans, labels=masks)


if __name__ == "__main__":
    main()
