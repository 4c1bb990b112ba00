"""The speech recipes on spoken digits, beside PyTorch, and how fast they hear.

    python benchmarks/speech.py fsdd --data FOLDER        # its own test rule: indices 0 to 4
    python benchmarks/speech.py speakers --data FOLDER    # leave one speaker out, for each
    python benchmarks/speech.py strings --data FOLDER     # strings of digits with gaps and noise
    python benchmarks/speech.py speed                     # training beside the same in PyTorch
    python benchmarks/speech.py realtime --run RUN --data FOLDER

FOLDER holds the Free Spoken Digit Dataset: recordings named `DIGIT_SPEAKER_INDEX.wav`, 8 kHz.
`--weights RUN` starts from an earlier run and `--set` changes a setting of the recipe. `speakers`
is meant to start from generated voices, which `zoo train speech/voices --set data.rate=8000`
makes, and `strings` from the run of `fsdd`. No recording that is tested on is trained or
validated on, also not in the run to start from.

Strings are joined from single recordings of one speaker, 2 to 7 digits, with gaps of .05 to
.4 s and noise 15 to 40 dB below the speech; those of the test split from indices 0 to 4, all
others from the rest.

`speed` trains our residual network and the same in plain PyTorch on the very same batches from
memory, in rounds, while the other waits; the first round does not count. A ratio is of the times
of one round. The peer is tried in float32, and with bfloat16 autocast and `torch.compile`; it has
an environment of its own, `--peer-home`, which is made where there is none.

`realtime` predicts on one core, and prints the time over the length of the recordings. All else
uses the cores that the process may use; `taskset --cpu-list 0,1` before the command chooses.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import soundfile
from peers import Peer, Rounds, peer_python, print_rates, trainer_of

import zoo
from zoo.api import resolve
from zoo.config import Given, from_options, from_settings
from zoo.data.order import Order
from zoo.recipe import Recipe
from zoo.settings import cache_folder
from zoo.storage import write_json

PACKAGES = ("torch==2.13.0", "numpy")
PEER = Path(__file__).with_name("speech_peer.py")
PEERS = {"torch-float32": {"compiled": False}, "torch-compiled": {"compiled": True}}
CORES = len(os.sched_getaffinity(0))
RATE = 8000
NAME = re.compile(r"^(\d)_(\w+)_(\d+)\.wav$")
TESTED = re.compile(r"_[0-4]\.wav$")
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGITS = {
    "data.rate": RATE,
    "data.label": r"^(\d)_",
    "data.group": r"^\d_(\w+)_",
    "data.split_by": "example",
}
"""How the files are named. Who is not held out is in training and validation alike."""


def main() -> None:
    arguments = parse_arguments()
    commands = {
        "fsdd": fsdd,
        "speakers": speakers,
        "strings": strings,
        "speed": speed,
        "realtime": realtime,
    }
    commands[arguments.command](arguments)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("fsdd", "speakers", "strings", "speed"):
        command = commands.add_parser(name)
        command.add_argument("--seed", type=int, default=0, help="(%(default)s)")
        command.add_argument("--set", action="append", default=[], help="a setting of the recipe")
        if name == "speed":
            command.add_argument("--steps", type=int, default=30, help="of a round (%(default)s)")
            command.add_argument("--rounds", type=int, default=5, help="that count (%(default)s)")
            command.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
            command.add_argument(
                "--peer-home", type=Path, default=cache_folder() / "pytorch-speech"
            )
        else:
            command.add_argument("--data", type=Path, required=True)
            command.add_argument("--weights", default="", help="a run to start from")
            command.add_argument("--runs", default="runs", help="(%(default)s)")
    hearing = commands.add_parser("realtime")
    hearing.add_argument("--run", required=True)
    hearing.add_argument("--data", type=Path, required=True)
    return parser.parse_args()


def settings_of(arguments: argparse.Namespace, own: dict[str, Any]) -> list[Given]:
    """Return the settings of a recipe; `--set` is over all others."""
    settings = from_settings({"seed": arguments.seed, **own}, "benchmark")
    return [*settings, *from_options(arguments.set)]


def trained(
    arguments: argparse.Namespace, recipe: str, data: Path, own: dict[str, Any]
) -> dict[str, Any]:
    """Train a recipe, print what it reaches, and return the values of the model's metrics."""
    began = time.perf_counter()
    run = zoo.train(
        recipe,
        data=str(data),
        weights=arguments.weights,
        settings=settings_of(arguments, own),
        runs=arguments.runs,
    )
    seconds = time.perf_counter() - began
    for system in run.evaluation["systems"]:
        parts = [shown(*named) for named in list(system["values"].items())[:2]]
        print(f"  {system['name']}: {', '.join(parts)}")
    print(f"  {run.evaluation['examples']} tested, {seconds:.0f} s on {CORES} cores, {run.path}")
    return run.evaluation["systems"][0]["values"]


def shown(name: str, value: dict[str, Any]) -> str:
    """Return a metric with its interval; there is none where one speaker alone is tested."""
    interval = f" ({value['low']:.4f} to {value['high']:.4f})" if value["low"] is not None else ""
    return f"{name} {value['value']:.4f}{interval}"


# Digits


def fsdd(arguments: argparse.Namespace) -> None:
    """Print the accuracy under the dataset's own rule, in which speakers overlap."""
    print(f"indices 0 to 4 held out, seed {arguments.seed}")
    own = {**DIGITS, "data.held_out": TESTED.pattern}
    trained(arguments, "speech/keywords", arguments.data, own)


def speakers(arguments: argparse.Namespace) -> None:
    """Print the accuracy on each speaker, of whom nothing was trained or validated on."""
    names = sorted({found[2] for path in arguments.data.glob("*.wav") if (found := named(path))})
    accuracies = {}
    for name in names:
        print(f"{name} held out, seed {arguments.seed}")
        own = {**DIGITS, "data.held_out": rf"^\d_{name}_"}
        values = trained(arguments, "speech/keywords", arguments.data, own)
        accuracies[name] = values["accuracy"]["value"]
    found = list(accuracies.values())
    spread = statistics.stdev(found) if len(found) > 1 else 0.0
    print(f"mean {statistics.mean(found):.4f}, standard deviation {spread:.4f}: {accuracies}")


def named(path: Path) -> re.Match[str] | None:
    return NAME.match(path.name)


# Strings of digits


def strings(arguments: argparse.Namespace) -> None:
    """Print the word error rate on strings of digits whose speakers overlap."""
    with tempfile.TemporaryDirectory() as folder:
        write_strings(arguments.data, Path(folder), np.random.default_rng(arguments.seed))
        own = {"data.rate": RATE, "data.split_by": "example"}
        print(f"strings of 2 to 7 digits, seed {arguments.seed}")
        trained(arguments, "speech/transcribe", Path(folder) / "manifest.jsonl", own)


def write_strings(data: Path, folder: Path, rng: np.random.Generator) -> None:
    """Write strings as WAV files with a manifest."""
    pools: dict[bool, dict[str, list[Path]]] = {False: defaultdict(list), True: defaultdict(list)}
    for path in sorted(data.glob("*.wav")):
        if found := named(path):
            pools[bool(TESTED.search(path.name))][found[2]].append(path)
    lines = []
    for split, count in {"train": 3000, "validation": 200, "test": 400}.items():
        pool = pools[split == "test"]
        for number in range(count):
            speaker = sorted(pool)[number % len(pool)]
            chosen = rng.choice(np.array(pool[speaker], object), rng.integers(2, 8))
            path = folder / f"{split}-{number}.wav"
            sound = joined([soundfile.read(each)[0] for each in chosen], rng)
            soundfile.write(path, sound, RATE)
            text = " ".join(WORDS[int(each.name[0])] for each in chosen)
            line = {"audio_filepath": path.name, "text": text, "speaker": speaker, "split": split}
            lines.append(json.dumps(line) + "\n")
    (folder / "manifest.jsonl").write_text("".join(lines), encoding="utf-8")


def joined(sounds: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Return sounds one after the other with gaps, in noise."""

    def gap() -> np.ndarray:
        return np.zeros(round(rng.uniform(0.05, 0.4) * RATE))

    parts = [gap()]
    for sound in sounds:
        parts += [sound, gap()]
    whole = np.concatenate(parts)
    power = np.mean(np.square(np.concatenate(sounds)))
    level = np.sqrt(power) * 10 ** (-rng.uniform(15, 40) / 20)
    return np.clip(whole + level * rng.normal(size=len(whole)), -1, 1)


# Speed


def speed(arguments: argparse.Namespace) -> None:
    """Print training examples a second; ours go through the core's trainer and Keras' `fit`."""
    own = {"data.rate": RATE, "data.count": 2000, "model.time_masks": 0, "model.band_masks": 0}
    own |= {"model.warp": 0.0, "model.dropout": 0.0}
    # The peer takes batches as they are, so what varies them is left out on both sides.
    own |= {f"task.{name}": 0 for name in ("speed", "shift", "room", "colour", "noise", "gain")}
    recipe = resolve("speech/keywords", settings=settings_of(arguments, own))
    steps = arguments.steps * (arguments.rounds + 1)
    trainer = trainer_of(recipe, steps)
    size = trainer.distribution.batch_size(recipe.train.batch_size)
    order = Order(len(trainer.examples), size, recipe.seed * 1000)
    batches = [trainer.examples[order.batch(step)[0]] for step in range(steps)]
    with started_peers(arguments, recipe, trainer.model, batches) as peers:
        rounds = Rounds(peers, arguments.steps)
        trainer.listeners = [rounds]
        trainer.run()
    print(
        f"seed {arguments.seed}, {CORES} cores, {arguments.rounds} rounds of {arguments.steps} "
        f"steps of {size} recordings of {recipe.task.seconds:g} s"
    )
    print(f"ours: {trainer.model.count_params():,} parameters; {trainer.distribution.why}")
    amounts = [size * arguments.steps] * arguments.rounds
    print_rates(rounds.seconds, amounts, "examples", peers)


@contextlib.contextmanager
def started_peers(
    arguments: argparse.Namespace, recipe: Recipe, model: keras.Model, batches: list[Any]
) -> Iterator[dict[str, Peer]]:
    """Yield the peers that were asked for, each of our size and with the batches."""
    encoder, frontend = (model.get_layer(name).get_config() for name in ("encoder", "frontend"))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        place = Path(folder)
        arrays = {}
        for number, (inputs, labels, _) in enumerate(batches):
            arrays |= {f"{name}{number}": each for name, each in inputs.items()}
            arrays[f"labels{number}"] = labels
        np.savez(place / "batches.npz", **arrays)
        common = {
            "seed": arguments.seed,
            "threads": CORES,
            "batches": str(place / "batches.npz"),
            "count": len(batches),
            "encoder": {name: encoder[name] for name in ("channels", "blocks", "width")},
            "frontend": {name: frontend[name] for name in ("rate", "bands", "window", "hop")},
            "embedding": recipe.model.embedding,
            "classes": model.output.shape[-1],
            "learning_rate": recipe.train.learning_rate,
            "weight_decay": recipe.train.weight_decay,
            "clip_norm": recipe.train.clip_norm,
        }
        home = arguments.peer_home.resolve()
        python = peer_python(home, PACKAGES, "numpy, torch") if arguments.peers else Path()
        peers = {}
        for name in arguments.peers:
            write_json(place / f"{name}.json", {**common, **PEERS[name]})
            peers[name] = stack.enter_context(Peer(python, place / f"{name}.json", PEER))
        yield peers


def realtime(arguments: argparse.Namespace) -> None:
    """Print the time of a prediction on one core over the length of the recordings."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    bundle = zoo.load(arguments.run)
    examples, _ = bundle.dataset.read(str(arguments.data), cache=cache_folder())
    batch = zoo.all_rows(examples)
    seconds = sum(
        length / recording.rate
        for length, recording in zip(batch["length"], batch["recording"], strict=True)
    )
    bundle.predict(examples)
    began = time.perf_counter()
    bundle.predict(examples)
    spent = time.perf_counter() - began
    print(f"{len(batch['id']):,} recordings of {seconds:,.0f} s in {spent:.2f} s on one core")
    print(f"real-time factor {spent / seconds:.4f}")


if __name__ == "__main__":
    main()
