"""The translation recipe beside PyTorch: how fast it trains, and how fast it translates.

    python benchmarks/translation.py speed --data FOLDER
    python benchmarks/translation.py decoding --data FOLDER --run RUN

FOLDER is as for `zoo train translation --data`; Multi30k from English to German is meant. RUN
was trained on it. All systems take the very same batches from memory, one system after the
other in rounds, while the others wait; the first round, in which graphs are traced and
compiled, does not count. A ratio is of the times of one round; printed are the median of the
ratios and their range.

The peers are two. `torch` is our Transformer in plain PyTorch, with our weights: it computes
the same. `joeynmt` is the network and the loss of that toolkit, of the same size, and when it
comes to translating its search with our weights. Both are tried in float32, which is
PyTorch's default, and with bfloat16 autocast and `torch.compile` for shapes that vary.

All use the cores that the process may use; `taskset --cpu-list 0,1` before the command chooses.

The peers have an environment of their own, `--peer-home`, which is made where there is none.
On Linux set PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu for it, or pip brings
the larger build for GPUs.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from peers import Peer, Rounds, peer_python, print_rates, say_round, trainer_of
from zoo_translation.decoding.search import beam_search
from zoo_translation.tokeniser import PAD

import zoo
from zoo.api import resolve
from zoo.config import Given, from_options, from_settings
from zoo.data.examples import EncodedExamples
from zoo.data.sized_order import SizedOrder
from zoo.settings import cache_folder
from zoo.storage import write_json
from zoo.training.loop import Trainer

# JoeyNMT needs importlib_metadata and does not say so.
PACKAGES = ("torch==2.13.0", "joeynmt==2.3.0", "importlib_metadata")
PEER = Path(__file__).with_name("translation_peer.py")
PEERS: dict[str, dict[str, Any]] = {
    "torch-float32": {"system": "torch", "compiled": False},
    "torch-compiled": {"system": "torch", "compiled": True},
    "joeynmt-float32": {"system": "joeynmt", "compiled": False},
    "joeynmt-compiled": {"system": "joeynmt", "compiled": True},
}
SIDES = ("source", "labels")
"""What is counted, PAD being 0; the target that the decoder reads is the labels again."""
CORES = len(os.sched_getaffinity(0))


def main() -> None:
    arguments = parse_arguments()
    {"speed": speed, "decoding": decoding}[arguments.command](arguments)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("speed", help="training tokens a second")
    add_settings(training)
    training.add_argument("--steps", type=int, default=30, help="of a round (%(default)s)")
    translating = commands.add_parser("decoding", help="sentences a second of beam search")
    translating.add_argument("--run", required=True, help="whose weights all systems take")
    translating.add_argument("--sentences", type=int, default=1000, help="(%(default)s)")
    translating.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    for each in (training, translating):
        each.add_argument("--data", required=True, help="folder of aligned text files")
        each.add_argument("--rounds", type=int, default=5, help="that count (%(default)s)")
        each.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
        each.add_argument("--peer-home", type=Path, default=cache_folder() / "pytorch-translation")
    return parser.parse_args()


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add what :func:`settings_of` reads."""
    parser.add_argument("--source", default="en", help="language (%(default)s)")
    parser.add_argument("--target", default="de", help="language (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--set", action="append", default=[], help="a setting of the recipe")


def settings_of(arguments: argparse.Namespace, **further: Any) -> list[Given]:
    """Return the settings of a recipe on files; `--set` is over all others."""
    own = {"seed": arguments.seed, "data.source": arguments.source, "data.target": arguments.target}
    return [*from_settings({**own, **further}, "benchmark"), *from_options(arguments.set)]


# Training


def speed(arguments: argparse.Namespace) -> None:
    """Print training tokens a second; ours go through the core's trainer and Keras' `fit`."""
    recipe = resolve("translation", data=arguments.data, settings=settings_of(arguments))
    steps = arguments.steps * (arguments.rounds + 1)
    trainer = trainer_of(recipe, steps)
    batches = batches_of(trainer, steps)
    tokens = [int(sum(np.count_nonzero(batch[side]) for side in SIDES)) for batch in batches]
    request = {
        "what": "train",
        "seed": arguments.seed,
        "learning_rate": recipe.train.learning_rate,
        "weight_decay": recipe.train.weight_decay,
        "clip_norm": recipe.train.clip_norm,
        "smoothing": trainer.loss.smoothing,
    }
    with started_peers(arguments, trainer.model, request, batches) as peers:
        rounds = Rounds(peers, arguments.steps)
        trainer.listeners = [rounds]
        trainer.run()
    print(
        f"seed {arguments.seed}, {CORES} cores, {arguments.rounds} rounds of {arguments.steps} "
        f"steps of {np.mean(tokens):,.0f} tokens of both sides, padding not counted"
    )
    print(f"ours: {trainer.model.count_params():,} parameters; {trainer.distribution.why}")
    amounts = np.reshape(tokens, (-1, arguments.steps)).sum(axis=1)[1:].tolist()
    print_rates(rounds.seconds, amounts, "tokens", peers)


def batches_of(trainer: Trainer, steps: int) -> list[dict[str, np.ndarray]]:
    """Return the batches that the trainer will take, with the targets as `labels`."""
    distribution, examples = trainer.distribution, trainer.examples
    assert examples.sizes is not None
    tokens = distribution.total(trainer.config.batch_tokens)
    # The order of the trainer's first stage.
    order = SizedOrder(examples.sizes, tokens, trainer.seed * 1000, distribution.replicas)
    encoded = (examples[order.batch(step)[0]] for step in range(steps))
    return [{**inputs, "labels": labels} for inputs, labels, _ in encoded]


# Decoding


def decoding(arguments: argparse.Namespace) -> None:
    """Print sentences a second of beam search, and whose translations are the same.

    Ours run as predicting does. All are compared with ours in float32, searched without a
    cache: then a system that computes in float32 by the same rules finds the same pieces.
    """
    bundle = zoo.load(arguments.run)
    task: Any = bundle.task
    batches = sources(bundle, arguments)
    options = {"beams": task.beams, "length_penalty": task.length_penalty}
    request = {"what": "decode", "seed": arguments.seed, **options}
    predict = task.predictor(bundle.model, bundle.preprocessing)
    seconds: list[dict[str, float]] = []
    named = [{"source": source} for source in batches]
    with started_peers(arguments, bundle.model, request, named) as peers:
        for _ in range(arguments.rounds + 1):
            began = time.perf_counter()
            found = {"ours": best_of(predict(each)["pieces"] for each in named)}
            spent = {"ours": time.perf_counter() - began}
            for name, peer in peers.items():
                answer = peer.ask()
                spent[name], found[name] = answer["seconds"], answer["pieces"]
            seconds.append(spent)
            say_round(spent)
    count = sum(map(len, batches))
    precision = bundle.model.dtype_policy.name
    print(f"{count} sentences, {CORES} cores, {arguments.rounds} rounds, {options}, {precision}")
    print_rates(seconds, [count] * arguments.rounds, "sentences", peers)

    exact = in_float32(bundle)
    predict = task.predictor(exact, bundle.preprocessing)
    found["ours, float32"] = best_of(predict(each)["pieces"] for each in named)
    truth = best_of(search_uncached(exact, each, **options) for each in batches)
    for name, pieces in found.items():
        same = np.mean([ours == its for ours, its in zip(truth, pieces, strict=True)])
        print(f"{name:18} {same:7.1%} as ours in float32 without a cache")


def sources(bundle: zoo.Bundle, arguments: argparse.Namespace) -> list[np.ndarray]:
    """Return sources of the test split in the batches of predicting: longest first."""
    dataset = dataclasses.replace(bundle.dataset, path=arguments.data)
    test = dataset.load(seed=arguments.seed, cache=cache_folder()).splits["test"]
    some = zoo.Columns(test[np.arange(min(arguments.sentences, len(test)))])
    encoded = EncodedExamples(bundle.task.windows(some, bundle.preprocessing), bundle.preprocessing)
    assert encoded.sizes is not None
    order = np.argsort(-encoded.sizes.max(axis=1), kind="stable")
    size = bundle.about["batch_size"]
    rows = np.split(order, range(size, len(order), size))
    return [encoded.inputs(each)["source"] for each in rows]


def in_float32(bundle: zoo.Bundle) -> keras.Model:
    """Return the bundle's network in float32, whatever it computes in."""
    keras.config.set_dtype_policy("float32")
    model = bundle.architecture.build(bundle.preprocessing.space)
    model.set_weights(bundle.model.get_weights())
    return model


def search_uncached(
    model: keras.Model, source: np.ndarray, *, beams: int, length_penalty: float
) -> np.ndarray:
    """Return what beam search finds if each translation is read anew at each step.

    int32 [batch, beams, L], as the cached search returns it.
    """
    limits = 2 * (source != PAD).sum(axis=1).astype(np.int32) + 10
    steps = int(limits.max())
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    states = np.repeat(encoder(source, training=False), beams, axis=0)
    sources = np.repeat(source, beams, axis=0)

    def step(pieces: Any, place: Any, memory: Any, cache: Any) -> tuple[Any, Any, Any]:
        here = ops.equal(ops.arange(steps), place)
        target = ops.where(here, pieces[..., None], cache["target"])
        read = ops.reshape(target, (-1, steps))[:, : place + 1]
        logits = decoder((read, states, sources), training=False)[:, -1]
        return ops.reshape(logits, (len(source), beams, -1)), memory, {"target": target}

    cache = {"target": ops.zeros((len(source), beams, steps), "int32")}
    found, _ = beam_search(
        step, {}, cache, limits, beams=beams, steps=steps, length_penalty=length_penalty
    )
    return ops.convert_to_numpy(found)


def best_of(found: Iterable[np.ndarray]) -> list[list[int]]:
    """Return the best translation of each sentence, of batches of pieces [batch, beams, L]."""
    return [row[row != PAD].tolist() for pieces in found for row in pieces[:, 0]]


# The peers


@contextlib.contextmanager
def started_peers(
    arguments: argparse.Namespace,
    model: keras.Model,
    request: dict[str, Any],
    batches: Sequence[dict[str, np.ndarray]],
) -> Iterator[dict[str, Peer]]:
    """Yield the peers that were asked for, each with our weights and the batches."""
    encoder = model.get_layer("encoder").get_config()
    names = ("layers", "width", "hidden", "heads", "dropout")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        place = Path(folder)
        weights = {each.path: ops.convert_to_numpy(each) for each in model.trainable_variables}
        np.savez(place / "weights.npz", **weights)
        arrays = enumerate(batches)
        named = {f"{name}{n}": part for n, batch in arrays for name, part in batch.items()}
        np.savez(place / "batches.npz", **named)
        common = {
            **request,
            "sizes": {**{name: encoder[name] for name in names}, "pieces": model.output.shape[-1]},
            "weights": str(place / "weights.npz"),
            "batches": str(place / "batches.npz"),
            "threads": CORES,
        }
        home = arguments.peer_home.resolve()
        python = peer_python(home, PACKAGES, "joeynmt.model") if arguments.peers else Path()
        peers = {}
        for name in arguments.peers:
            write_json(place / f"{name}.json", {**common, **PEERS[name]})
            peers[name] = stack.enter_context(Peer(python, place / f"{name}.json", PEER))
        yield peers


if __name__ == "__main__":
    main()
