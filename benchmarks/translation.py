"""The translation recipe beside PyTorch, against published figures, and from an earlier run.

    python benchmarks/translation.py speed --data FOLDER
    python benchmarks/translation.py quality --data FOLDER [--minutes 60]
    python benchmarks/translation.py decoding --run RUN --data FOLDER
    python benchmarks/translation.py transfer --data FOLDER [--run RUN]
    python benchmarks/translation.py exact

FOLDER is as for `zoo train translation --data`; Multi30k from English to German is meant, with
its official test sets. What each command measures, and how, stands at its function:
:func:`speed`, :func:`quality`, :func:`decoding`, :func:`transfer`, :func:`exact`.

The peers are two. `torch` is our Transformer in plain PyTorch, with our weights: it
computes the same. `joeynmt` is the network of that toolkit, of the same size, with its loss
and its search. Both are tried in float32, which is PyTorch's default, and with bfloat16
autocast and `torch.compile` for shapes that vary.

Time is that on the wall. On a machine that others use too, `--clock processor --threads 1`
gives steadier ratios; with more threads it counts those that wait as well.

At their first use they are installed in an environment of their own, `--peer-home`. On Linux
set PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu, or pip brings the larger build
for GPUs. `quality` needs sacremoses.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from sacrebleu.metrics import BLEU
from zoo_translation.decoding.search import beam_search
from zoo_translation.decoding.translator import Translator, translator
from zoo_translation.tokeniser import PAD

import zoo
from zoo.api import resolve
from zoo.config import Given, from_options, from_settings
from zoo.data.examples import EncodedExamples, all_rows
from zoo.data.sized_order import SizedOrder
from zoo.distribution import distribute
from zoo.recipe import Recipe
from zoo.settings import cache_folder
from zoo.storage import write_json
from zoo.training.listeners import Listener
from zoo.training.loop import Trainer

TORCH, JOEYNMT = "2.13.0", "2.3.0"
PEER = Path(__file__).with_name("translation_peer.py")
PEERS = {
    "torch-compiled": {"system": "torch", "precision": "bfloat16", "compile": "default"},
    "torch-autocast": {"system": "torch", "precision": "bfloat16", "compile": ""},
    "torch-float32": {"system": "torch", "precision": "float32", "compile": ""},
    "joeynmt-compiled": {"system": "joeynmt", "precision": "bfloat16", "compile": "default"},
    "joeynmt-float32": {"system": "joeynmt", "precision": "float32", "compile": ""},
    "torch-float32-compiled": {"system": "torch", "precision": "float32", "compile": "default"},
}
"""By name; the first five are the default ones."""
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
TESTS = ("test_2016_flickr", "test_2017_flickr")
EVERY = 20
"""One of so many training pairs is left to `transfer`: 5 %."""


def main() -> None:
    arguments = parse_arguments()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    commands = (speed, quality, decoding, transfer, exact)
    {each.__name__: each for each in commands}[arguments.command](arguments)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(function: Callable[..., None], *, data: bool = True) -> argparse.ArgumentParser:
        summary = str(function.__doc__).partition("\n")[0]
        added = commands.add_parser(function.__name__, help=summary, description=summary)
        if data:
            added.add_argument("--data", required=True, help="folder of aligned text files")
            added.add_argument("--source", default="en", help="language (%(default)s)")
            added.add_argument("--target", default="de", help="language (%(default)s)")
        added.add_argument("--seed", type=int, default=0, help="the first one (%(default)s)")
        cores = len(os.sched_getaffinity(0))
        added.add_argument("--threads", type=int, default=cores, help="cores (%(default)s)")
        added.add_argument("--set", action="append", default=[], help="a setting of our recipe")
        return added

    for each in (command(speed), command(decoding)):
        each.add_argument("--rounds", type=int, default=5, help="of all systems (%(default)s)")
        each.add_argument("--clock", choices=CLOCKS, default="wall", help="(%(default)s)")
        each.add_argument("--peers", nargs="*", choices=PEERS, default=[*PEERS][:5])
        each.add_argument("--peer-home", type=Path, default=cache_folder() / "pytorch-translation")
    commands.choices["speed"].add_argument("--steps", type=int, default=30, help="of a round")
    commands.choices["decoding"].add_argument("--run", required=True)
    command(quality).add_argument(
        "--minutes", type=float, default=60, help="that training may take"
    )
    for each in (command(transfer), command(exact, data=False)):
        each.add_argument("--seeds", type=int, default=3, help="how many (%(default)s)")
    commands.choices["transfer"].add_argument("--run", default="", help="that is the source")
    for name in ("quality", "transfer", "exact"):
        commands.choices[name].add_argument("--runs", help="folder that keeps the runs")
    return parser.parse_args()


def settings_of(arguments: argparse.Namespace, **further: Any) -> list[Given]:
    own = {"seed": arguments.seed, "evaluation.baselines": False, "evaluation.samples": 0}
    if "data" in arguments:
        own |= {"data.source": arguments.source, "data.target": arguments.target}
    return [*from_settings({**own, **further}, "benchmark"), *from_options(arguments.set)]


@contextlib.contextmanager
def runs_folder(arguments: argparse.Namespace) -> Iterator[str]:
    if arguments.runs:
        yield arguments.runs
        return
    with tempfile.TemporaryDirectory() as folder:
        yield folder


# Training speed


def speed(arguments: argparse.Namespace) -> None:
    """Training tokens a second beside PyTorch.

    All systems take the very same batches of pieces, from memory, in rounds: ours, through the
    core's trainer and Keras' `fit`; then each peer, while ours waits. The first round, in which
    graphs are traced and compiled, does not count. A ratio is of the times of one round.
    """
    recipe = resolve("translation", data=arguments.data, settings=settings_of(arguments))
    subject = Subject.of(recipe)
    steps = arguments.steps * (arguments.rounds + 1)
    batches = [subject.examples[subject.order.batch(step)[0]] for step in range(steps)]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        arrays = [{**inputs, "labels": labels} for inputs, labels, _ in batches]
        request = {
            "what": "train",
            "batches": str(write_batches(arrays, Path(folder))),
            "learning_rate": recipe.train.learning_rate,
            "weight_decay": recipe.train.weight_decay,
            "clip_norm": recipe.train.clip_norm,
            "smoothing": subject.loss.smoothing,
        }
        peers = start_peers(arguments, subject.model, request, Path(folder), stack)
        rounds = Rounds(peers, arguments.steps, CLOCKS[arguments.clock])
        subject.train(steps, rounds)
    tokens = np.array(
        [[count(each) for each in (batch["source"], batch["labels"])] for batch in arrays]
    )
    places = sum(batch["source"].size + batch["labels"].size for batch in arrays)
    a_round = tokens.reshape(arguments.rounds + 1, -1).sum(axis=1)[1:]
    print(
        f"seed {arguments.seed}, {arguments.threads} threads, {arguments.clock} time, "
        f"{arguments.rounds} rounds of "
        f"{arguments.steps} steps of {recipe.train.batch_tokens} tokens at most a side; padding "
        f"{1 - tokens.sum() / places:.1%}; {subject.distribution.why}"
    )
    print(f"ours: {subject.model.count_params():,} parameters")
    print_speeds(rounds.seconds, rounds.parameters, a_round, "tokens", tokens.sum() / places)


@dataclasses.dataclass(frozen=True)
class Subject:
    """What a recipe trains: as in `zoo train`, but for validation and checkpoints."""

    recipe: Recipe
    examples: EncodedExamples
    distribution: Any
    order: SizedOrder
    model: keras.Model
    loss: Any

    @classmethod
    def of(cls, recipe: Recipe) -> Subject:
        data = recipe.dataset.load(seed=recipe.seed, cache=cache_folder())
        preprocessing = recipe.task.prepare(data.splits["train"], data.info)
        windows = recipe.task.windows(data.splits["train"], preprocessing)
        examples = EncodedExamples(windows, preprocessing, recipe.train.memory)
        distribution = distribute(recipe.strategy)
        # The order of the trainer's first stage.
        tokens = distribution.total(recipe.train.batch_tokens)
        order = SizedOrder(examples.sizes, tokens, recipe.seed * 1000)
        keras.utils.set_random_seed(recipe.seed)
        with distribution.scope():
            model = recipe.model.build(preprocessing.space)
        space = preprocessing.space
        loss = recipe.model.loss(space) or recipe.task.loss(space)
        return cls(recipe, examples, distribution, order, model, loss)

    def train(self, steps: int, listener: Listener) -> None:
        stage = dataclasses.replace(self.recipe.train.stages[-1], epochs=None, steps=steps)
        Trainer(
            model=self.model,
            parts=self.recipe.model.parts(self.model),
            loss=self.loss,
            config=self.recipe.train,
            stages=[stage],
            examples=self.examples,
            distribution=self.distribution,
            seed=self.recipe.seed,
            listeners=[listener],
        ).run()


class Rounds(Listener):
    """Times rounds of steps, and lets the peers take the same steps after each.

    Attributes:
        seconds: of the rounds that count, by system.
        parameters: by system.
    """

    def __init__(self, peers: dict[str, Peer], steps: int, clock: Callable[[], float]) -> None:
        self._peers, self._steps, self._clock = peers, steps, clock
        self.seconds: dict[str, list[float]] = {name: [] for name in ("ours", *peers)}
        self.parameters = {name: peer.parameters for name, peer in peers.items()}
        self._began = clock()

    def on_step(self, progress: Any, steps: int, loss: float) -> None:
        done = progress.step
        if done % self._steps:
            return
        spent = {"ours": self._clock() - self._began}
        for name, peer in self._peers.items():
            spent[name] = peer.ask(done - self._steps, done)["seconds"]
        say(", ".join(f"{name} {seconds:.2f} s" for name, seconds in spent.items()))
        if done > self._steps:
            for name, seconds in spent.items():
                self.seconds[name].append(seconds)
        self._began = self._clock()


def print_speeds(
    seconds: dict[str, list[float]],
    parameters: dict[str, int],
    amounts: Sequence[float],
    unit: str,
    share: float = 0.0,
) -> None:
    """Print for each system how much it does a second, and how ours compares in each round.

    Args:
        seconds: of each round, by system, ours among them.
        parameters: of the peers.
        amounts: what a round does.
        unit: of the amounts.
        share: what is left without padding, if it is to be printed with padding too.
    """
    padded = f" {'with padding':>14}" if share else ""
    print(f"{'system':24} {unit + ' a second':>20}{padded} {'ours / it':>10}  range")
    for name, spent in seconds.items():
        rate = statistics.median(np.divide(amounts, spent))
        cells = f"{name:24} {rate:20,.1f}" + (f" {rate / share:14,.1f}" if share else "")
        if name != "ours":
            ratios = np.divide(spent, seconds["ours"])
            cells += f" {statistics.median(ratios):10.2f}  {ratios.min():.2f} to {ratios.max():.2f}"
            cells += f"  ({parameters[name]:,} parameters)"
        print(cells)


# The peers


class Peer:
    """A system in the peers' environment; it waits until it is asked.

    Args:
        python: the interpreter of that environment.
        request: what it is, and shall do.
        file: where to write the request.
    """

    def __init__(self, python: Path, request: dict[str, Any], file: Path) -> None:
        write_json(file, request)
        self._process = subprocess.Popen(
            [python, "-I", PEER, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.parameters = int(self._answer()["parameters"])

    def ask(self, *numbers: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(*numbers, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self._process.args} ended with {self._process.wait()}; see above.")
        return json.loads(line)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate()


def start_peers(
    arguments: argparse.Namespace,
    model: keras.Model,
    request: dict[str, Any],
    folder: Path,
    stack: contextlib.ExitStack,
) -> dict[str, Peer]:
    """Return the peers that were asked for, which end with `stack`."""
    if not arguments.peers:
        return {}
    python = peer_python(arguments.peer_home.resolve())
    weights = {each.path: ops.convert_to_numpy(each) for each in model.trainable_variables}
    np.savez(folder / "weights.npz", **weights)
    encoder = model.get_layer("encoder").get_config()
    names = ("layers", "width", "hidden", "heads", "dropout")
    request |= {
        "sizes": {**{name: encoder[name] for name in names}, "pieces": model.output.shape[-1]},
        "weights": str(folder / "weights.npz"),
        "threads": arguments.threads,
        "clock": arguments.clock,
        "seed": arguments.seed,
    }
    return {
        name: stack.enter_context(Peer(python, {**request, **PEERS[name]}, folder / f"{name}.json"))
        for name in arguments.peers
    }


def peer_python(home: Path) -> Path:
    """Return the interpreter of the peers' environment, which is made if need be."""
    python = home / "bin" / "python"
    probe = "import joeynmt.model"
    if python.exists() and subprocess.run([python, "-I", "-c", probe], check=False).returncode == 0:
        return python
    say(f"installing PyTorch and JoeyNMT in {home}")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    # JoeyNMT needs importlib_metadata and does not say so.
    wanted = [f"torch=={TORCH}", f"joeynmt=={JOEYNMT}", "importlib_metadata"]
    pip: list[str | Path] = [python, "-I", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *wanted], check=True)
    return python


def write_batches(batches: Sequence[dict[str, np.ndarray]], folder: Path) -> Path:
    """Write the arrays of batches, named and numbered."""
    named = {
        f"{name}{number}": array
        for number, batch in enumerate(batches)
        for name, array in batch.items()
    }
    np.savez(folder / "batches.npz", **named)
    return folder / "batches.npz"


def count(pieces: np.ndarray) -> int:
    return int((pieces != PAD).sum())


# Quality


def quality(arguments: argparse.Namespace) -> None:
    """BLEU of the recipe, as it is, on the official test sets.

    Beside sacreBLEU of the text stands what papers on Multi30k state: of text in lower case,
    normalised and tokenised as by Moses' scripts, on both sides. Validation chooses the
    checkpoint; the test sets are translated once, at the end.
    """
    settings = settings_of(arguments, **{"data.test_set": TESTS[0]})
    with runs_folder(arguments) as runs:
        run = zoo.train("translation", data=arguments.data, settings=settings, runs=runs)
        bundle = zoo.load(run.bundle)
        seconds, sizes = run.about["seconds"]["training"], 0.0
        events = run.events()
    protocol = f"seed {arguments.seed}, {arguments.threads} threads"
    print(f"{protocol}, {run.about['parameters']:,} parameters")
    within = "within" if seconds <= arguments.minutes * 60 else "MORE THAN"
    print(f"{seconds:,.0f} seconds of training, {within} the {arguments.minutes:g} minutes")
    for test in TESTS:
        settings = settings_of(arguments, **{"data.test_set": test})
        recipe = resolve("translation", data=arguments.data, settings=settings)
        data = recipe.dataset.load(seed=arguments.seed, cache=cache_folder())
        sizes = bundle.preprocessing.sizes(all_rows(data.splits["train"])).sum(axis=1).mean()
        truth = list(all_rows(data.splits["test"])["target"])
        texts = list(bundle.predict(data.splits["test"])["text"])
        measure = BLEU()
        text_score = measure.corpus_score(texts, [truth])
        language = data.info.facts["languages"][1]
        print(
            f"{test}: {published_bleu(texts, truth, language):.2f} BLEU, lower-cased and tokenised"
        )
        print(f"{'':{len(test)}}  {text_score.score:.2f} sacreBLEU, {measure.get_signature()}")
    rates = [each["examples_per_second"] for each in events if each["event"] == "epoch"]
    (padding,) = {each["padding"] for each in events if each["event"] == "stage"}
    print(f"{statistics.median(rates) * sizes:,.0f} tokens a second; padding {padding:.1%}")


def published_bleu(texts: Sequence[str], truth: Sequence[str], language: str) -> float:
    """Return BLEU of text in lower case, cut into words by Moses."""
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normaliser, tokeniser = MosesPunctNormalizer(language), MosesTokenizer(language)

    def words(text: str) -> str:
        return tokeniser.tokenize(normaliser.normalize(text.lower()), return_str=True)

    measure = BLEU(tokenize="none", force=True)
    return measure.corpus_score([*map(words, texts)], [[*map(words, truth)]]).score


# Decoding


def decoding(arguments: argparse.Namespace) -> None:
    """Sentences a second of beam search, and whether the cache changes what it finds.

    All systems search the batches that predicting makes of the test split, with the run's
    weights, one after the other in rounds; the first round does not count.
    """
    bundle = zoo.load(arguments.run)
    task, batches = bundle.task, prediction_inputs(bundle, arguments)
    # As in the task's predictor.
    longest = 2 * max(bundle.preprocessing.lengths.source, 64) + 10
    options = {"beams": task.beams, "length_penalty": task.length_penalty, "longest": longest}
    ours, clock = translator(bundle.model, **options), CLOCKS[arguments.clock]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        file = write_batches([{"source": source} for source in batches], Path(folder))
        request = {"what": "decode", "batches": str(file), **options}
        peers = start_peers(arguments, bundle.model, request, Path(folder), stack)
        seconds: dict[str, list[float]] = {name: [] for name in ("ours", *peers)}
        for _ in range(arguments.rounds + 1):
            began = clock()
            found = [row[0][row[0] != PAD].tolist() for each in batches for row in ours(each)[0]]
            seconds["ours"].append(clock() - began)
            answers = {name: peer.ask() for name, peer in peers.items()}
            for name, answer in answers.items():
                seconds[name].append(answer["seconds"])
        parameters = {name: peer.parameters for name, peer in peers.items()}
    sentences = len(found)
    print(
        f"{sentences} sentences, {arguments.rounds} rounds, {arguments.threads} threads, "
        f"{arguments.clock} time, {options}"
    )
    counted = {name: spent[1:] for name, spent in seconds.items()}
    print_speeds(counted, parameters, [sentences] * arguments.rounds, "sentences")
    for name, answer in answers.items():
        print(f"{name} finds the same pieces for {share_equal(answer['pieces'], found):.1%}")
    some = [each for whole in batches[::4] for each in np.split(whole, range(8, len(whole), 8))]
    cached, uncached = (
        [row.tolist() for each in some for row in search(each)[0]]
        for search in (ours, uncached_translator(bundle.model, **options))
    )
    equal, beams = share_equal(uncached, cached), task.beams
    print(f"without a cache all {beams} translations of {equal:.1%} of {len(cached)} are the same")


def prediction_inputs(bundle: zoo.Bundle, arguments: argparse.Namespace) -> list[np.ndarray]:
    """Return the sources of the test split in the batches of predicting: longest first."""
    dataset = dataclasses.replace(bundle.dataset, path=arguments.data)
    data = dataset.load(seed=arguments.seed, cache=cache_folder())
    encoded = EncodedExamples(data.splits["test"], bundle.preprocessing)
    order = np.argsort(-encoded.sizes.max(axis=1), kind="stable")
    size = bundle.about["batch_size"]
    rows = np.split(order, range(size, len(order), size))
    return [encoded.inputs(each)["source"] for each in rows]


def uncached_translator(
    model: keras.Model, *, beams: int, length_penalty: float, longest: int
) -> Translator:
    """Return a search by the same rules that reads each translation anew at each step."""
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")

    def search(source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        limits = np.minimum(2 * (source != PAD).sum(axis=1) + 10, longest).astype(np.int32)
        states = np.repeat(encoder(source, training=False), beams, axis=0)
        sources, steps = np.repeat(source, beams, axis=0), int(limits.max())

        def step(pieces: Any, place: Any, cache: Any) -> tuple[Any, Any]:
            here = ops.equal(ops.arange(steps), place)
            written = ops.where(here, pieces[..., None], cache["pieces"])
            read = ops.reshape(written, (-1, steps))[:, : place + 1]
            logits = decoder((read, states, sources), training=False)[:, -1]
            return ops.reshape(logits, (-1, beams, logits.shape[-1])), {"pieces": written}

        cache = {"pieces": ops.zeros((len(source), beams, steps), "int32")}
        found, scores = beam_search(
            step, cache, limits, beams=beams, steps=steps, length_penalty=length_penalty
        )
        found = ops.convert_to_numpy(found)
        return found[..., : (found != PAD).any(axis=(0, 1)).sum()], ops.convert_to_numpy(scores)

    return search


def share_equal(found: Sequence[Any], expected: Sequence[Any]) -> float:
    return float(np.mean([a == b for a, b in zip(found, expected, strict=True)]))


# Transfer


def transfer(arguments: argparse.Namespace) -> None:
    """BLEU from 5 % of the pairs in the other direction, from scratch and from a run.

    The source translates the languages of the data as they are named; the target translates
    back, and has every twentieth training pair. Unless `--run` gives a source, it is trained
    on the other 95 %, so it has seen no pair of the target in any direction. A run that is
    given has probably seen them all, though it never wrote the target's language: then what is
    shown is rather what turning a translator round costs. Seeds vary initial weights and order.
    """
    recipe = resolve("translation", data=arguments.data, settings=settings_of(arguments))
    data = recipe.dataset.load(seed=arguments.seed, cache=cache_folder())
    source, target = arguments.source, arguments.target
    numbers = np.arange(len(data.splits["train"]))
    turned = {"data.source": target, "data.target": source}
    with tempfile.TemporaryDirectory() as folder, runs_folder(arguments) as runs:
        small = write_pairs(data, numbers % EVERY == 0, Path(folder) / "small")
        start = arguments.run
        if not start:
            rest = write_pairs(data, numbers % EVERY != 0, Path(folder) / "rest")
            run = zoo.train(
                "translation", data=str(rest), settings=settings_of(arguments), runs=runs
            )
            start = str(run.path)
            print(f"source, {source} to {target}: {metric(run, 'bleu'):.2f} BLEU", flush=True)
        values: dict[str, list[float]] = {"from scratch": [], "from the source": []}
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            for name, weights in zip(values, ("", start), strict=True):
                settings = settings_of(arguments, **turned, seed=seed)
                run = zoo.train(
                    "translation", data=str(small), settings=settings, weights=weights, runs=runs
                )
                values[name].append(metric(run, "bleu"))
    seeds = f"seeds {arguments.seed} to {arguments.seed + arguments.seeds - 1}"
    seen = "which was given" if arguments.run else "which saw none of these pairs"
    print(f"{target} to {source}, {(numbers % EVERY == 0).sum():,} pairs, BLEU on test, {seeds}")
    values["gain"] = np.subtract(values["from the source"], values["from scratch"]).tolist()
    for name, each in values.items():
        print(f"{name:16} {spread(each)}")
    print(f"(the source is a run {seen})")


def write_pairs(data: zoo.Data, chosen: np.ndarray, folder: Path) -> Path:
    """Write all splits as aligned text files; of training pairs those that are `chosen`."""
    folder.mkdir()
    languages = data.info.facts["languages"]
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        batch = all_rows(data.splits[split])
        rows = chosen if split == "train" else slice(None)
        for side, language in zip(("source", "target"), languages, strict=True):
            lines = "".join(f"{text}\n" for text in batch[side][rows])
            (folder / f"{name}.{language}").write_text(lines, encoding="utf-8")
    return folder


# Exact


def exact(arguments: argparse.Namespace) -> None:
    """Share of generated test sentences that are translated exactly."""
    values = []
    with runs_folder(arguments) as runs:
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            run = zoo.train("translation", settings=settings_of(arguments, seed=seed), runs=runs)
            values.append(100 * metric(run, "exact_match"))
            seconds = run.about["seconds"]["training"]
            print(
                f"seed {seed}: {values[-1]:.2f} % exact, {seconds:,.0f} s of training", flush=True
            )
    print(f"all: {spread(values)} %, the lowest {min(values):.2f} %")


# Results


def metric(run: zoo.Run, name: str) -> float:
    return run.evaluation["systems"][0]["values"][name]["value"]


def spread(values: Sequence[float]) -> str:
    return (
        f"{np.mean(values):.2f} (sd {np.std(values):.2f}; {min(values):.2f} to {max(values):.2f})"
    )


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
