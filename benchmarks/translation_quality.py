"""How well the translation recipe translates, as it is, and what an earlier run adds.

    python benchmarks/translation_quality.py quality --data FOLDER [--run RUN]
    python benchmarks/translation_quality.py transfer --data FOLDER [--run RUN]
    python benchmarks/translation_quality.py exact

FOLDER is as for `zoo train translation --data`; Multi30k from English to German is meant, with
its official test sets. What each command measures, and how, stands at its function:
:func:`quality`, :func:`transfer`, :func:`exact`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sacrebleu.metrics import BLEU
from sacremoses import MosesPunctNormalizer, MosesTokenizer
from translation import add_settings, settings_of

import zoo
from zoo.api import resolve
from zoo.config import from_options, from_settings
from zoo.settings import cache_folder

TESTS = ("test_2016_flickr", "test_2017_flickr")
EVERY = 20
"""One of so many training pairs is left to `transfer`: 5 %."""
PLAIN = {"evaluation.baselines": False, "evaluation.samples": 0}


def main() -> None:
    arguments = parse_arguments()
    commands = {"quality": quality, "transfer": transfer, "exact": exact}
    commands[arguments.command](arguments)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    bleu = commands.add_parser("quality", help="BLEU on the official test sets")
    bleu.add_argument("--run", default="", help="that was trained already")
    direction = commands.add_parser("transfer", help="BLEU from few pairs, with a source or not")
    direction.add_argument("--run", default="", help="that is the source")
    direction.add_argument(
        "--source-set", action="append", default=[], help="a setting of the source alone"
    )
    share = commands.add_parser("exact", help="generated sentences that come out exactly")
    for each in (bleu, direction, share):
        add_settings(each)
        each.add_argument("--runs", default="runs", help="folder of the runs (%(default)s)")
    for each in (bleu, direction):
        each.add_argument("--data", required=True, help="folder of aligned text files")
    for each in (direction, share):
        each.add_argument("--seeds", type=int, default=3, help="how many (%(default)s)")
    return parser.parse_args()


# Quality


def quality(arguments: argparse.Namespace) -> None:
    """Print BLEU of a run, or of a new one, on the official test sets.

    Beside sacreBLEU of the text stands what papers on Multi30k state: of text in lower case,
    normalised and tokenised as by Moses' scripts, on both sides. Validation chose the
    checkpoint; the test sets are translated once, at the end.
    """
    settings = settings_of(arguments, **PLAIN)
    run = (
        zoo.Run(arguments.run)
        if arguments.run
        else zoo.train("translation", data=arguments.data, settings=settings, runs=arguments.runs)
    )
    seconds = run.about["seconds"]["training"]
    print(f"{run.about['parameters']:,} parameters, {seconds:,.0f} seconds of training")
    bundle = zoo.load(run.bundle)
    for name in TESTS:
        settings = settings_of(arguments, **{"data.test_set": name})
        dataset = resolve("translation", data=arguments.data, settings=settings).dataset
        data = dataset.load(seed=arguments.seed, cache=cache_folder())
        test = data.splits["test"]
        truth = list(zoo.all_rows(test)["target"])
        texts = list(bundle.predict(test)["text"])
        measure = BLEU()
        plain = measure.corpus_score(texts, [truth]).score
        published = published_bleu(texts, truth, arguments.target)
        print(f"{name}: {published:.2f} BLEU, lower-cased and tokenised")
        print(f"{'':{len(name)}}  {plain:.2f} sacreBLEU, {measure.get_signature()}")


def published_bleu(texts: Sequence[str], truth: Sequence[str], language: str) -> float:
    """Return BLEU of text in lower case, cut into words by Moses."""
    normaliser, tokeniser = MosesPunctNormalizer(language), MosesTokenizer(language)

    def words(text: str) -> str:
        return tokeniser.tokenize(normaliser.normalize(text.lower()), return_str=True)

    measure = BLEU(tokenize="none", force=True)
    return measure.corpus_score([*map(words, texts)], [[*map(words, truth)]]).score


# Transfer


def transfer(arguments: argparse.Namespace) -> None:
    """Print BLEU from 5 % of the pairs in the other direction, from scratch and from a run.

    The source translates the languages of the data as they are named; the target translates
    back, and has every twentieth training pair. Unless `--run` gives a source, it is trained
    on the other 95 %, so it has seen no pair of the target in any direction. A run that is
    given has probably seen them all, though it never wrote the target's language: then what is
    shown is rather what turning a translator round costs. Seeds vary initial weights and order.
    """
    settings = settings_of(arguments, **PLAIN)
    dataset = resolve("translation", data=arguments.data, settings=settings).dataset
    data = dataset.load(seed=arguments.seed, cache=cache_folder())
    few = np.arange(len(data.splits["train"])) % EVERY == 0
    start, seen = arguments.run, "a run that was given"
    back = {"data.source": arguments.target, "data.target": arguments.source}
    values: dict[str, list[float]] = {"from scratch": [], "from the source": []}
    with tempfile.TemporaryDirectory() as folder:
        small = write_pairs(data, few, Path(folder) / "small")
        if not start:
            rest = write_pairs(data, ~few, Path(folder) / "rest")
            own = [*settings, *from_options(arguments.source_set)]
            source = zoo.train("translation", data=str(rest), settings=own, runs=arguments.runs)
            start, seen = str(source.path), "a run that saw none of these pairs"
            print(f"source: {metric(source, 'bleu'):.2f} BLEU", flush=True)
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            settings = settings_of(arguments, **PLAIN, **back, seed=seed)
            for name, weights in zip(values, ("", start), strict=True):
                run = zoo.train(
                    "translation",
                    data=str(small),
                    settings=settings,
                    weights=weights,
                    runs=arguments.runs,
                )
                values[name].append(metric(run, "bleu"))
                print(f"seed {seed}, {name}: {values[name][-1]:.2f} BLEU", flush=True)
    values["gain"] = np.subtract(values["from the source"], values["from scratch"]).tolist()
    print(
        f"{arguments.target} to {arguments.source}, {few.sum():,} pairs, BLEU on test, "
        f"{arguments.seeds} seeds from {arguments.seed}; the source is {seen}"
    )
    for name, each in values.items():
        print(f"{name:16} {spread(each)}")


def write_pairs(data: zoo.Data, chosen: np.ndarray, folder: Path) -> Path:
    """Write all splits as aligned text files; of training pairs those that are `chosen`."""
    folder.mkdir()
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        batch = zoo.all_rows(data.splits[split])
        rows = chosen if split == "train" else slice(None)
        for side, language in zip(("source", "target"), data.info.facts["languages"], strict=True):
            lines = "".join(f"{text}\n" for text in batch[side][rows])
            (folder / f"{name}.{language}").write_text(lines, encoding="utf-8")
    return folder


# Exact


def exact(arguments: argparse.Namespace) -> None:
    """Print the share of generated test sentences that are translated exactly."""
    values = []
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        settings = [
            *from_settings({**PLAIN, "seed": seed}, "benchmark"),
            *from_options(arguments.set),
        ]
        run = zoo.train("translation", settings=settings, runs=arguments.runs)
        values.append(100 * metric(run, "exact_match"))
        seconds = run.about["seconds"]["training"]
        print(f"seed {seed}: {values[-1]:.2f} % exact, {seconds:,.0f} s of training", flush=True)
    print(f"all: {spread(values)} %, the lowest {min(values):.2f} %")


# Results


def metric(run: zoo.Run, name: str) -> float:
    return run.evaluation["systems"][0]["values"][name]["value"]


def spread(values: Sequence[float]) -> str:
    return (
        f"{np.mean(values):.2f} (sd {np.std(values):.2f}; {min(values):.2f} to {max(values):.2f})"
    )


if __name__ == "__main__":
    main()
