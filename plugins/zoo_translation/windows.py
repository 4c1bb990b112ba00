"""What the network sees of sources: as many sentences as it has learnt to read at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

import zoo
from zoo_translation.carried import take_out
from zoo_translation.parts import cut, sentences
from zoo_translation.preprocessing import PairPreprocessing


def windows(examples: zoo.Examples, preprocessing: PairPreprocessing, longest: int) -> zoo.Examples:
    """Return the parts of the sources, without what cannot be read, each a row.

    Columns are those of the examples, with the part as `source`, and further `example`, the
    row in `examples`; `carried`, what was taken out, see :mod:`zoo_translation.carried`; and,
    if labelled, `known`, float32: 0 for parts whose part of the target is not known and is empty.

    Args:
        examples: have `source`; where all can be read as they are they are returned.
        preprocessing: knows what can be read.
        longest: most tokens of a part, END included.
    """
    batch = zoo.all_rows(examples)
    parts = _parts(batch["source"], preprocessing, longest)
    read = [take_out(part, preprocessing.alphabet) for each in parts for part in each]
    texts = [text for text, _ in read]
    if texts == batch["source"].tolist():
        return examples
    rows = np.repeat(np.arange(len(parts)), [len(each) for each in parts])
    columns = {name: column[rows] for name, column in batch.items()}
    columns["source"] = zoo.object_column(texts)
    columns["example"] = rows
    columns["carried"] = zoo.object_column(carried for _, carried in read)
    if "target" in batch:
        targets, known = zip(*_targets(batch, parts, preprocessing.corpus.languages), strict=True)
        columns["target"] = zoo.object_column(targets)
        columns["known"] = np.array(known, np.float32)
    return zoo.Columns(columns)


def _parts(sources: np.ndarray, preprocessing: PairPreprocessing, longest: int) -> list[list[str]]:
    """Return each source in parts that are short enough."""
    tokeniser, corpus = preprocessing.tokeniser, preprocessing.corpus
    language, most = corpus.languages[0], corpus.sentences

    def fits(text: str) -> bool:
        return len(tokeniser.encode([text])[0]) < longest

    def parts(text: str, tokens: int) -> list[str]:
        if tokens < longest and len(sentences(text, language)) <= most:
            return [text]
        return cut(text, fits, language=language, most=most)

    return [
        parts(text, len(pieces))
        for text, pieces in zip(sources, tokeniser.encode(sources), strict=True)
    ]


def _targets(
    batch: zoo.Batch, parts: Sequence[Sequence[str]], languages: Sequence[str]
) -> Iterator[tuple[str, bool]]:
    """Yield the target of each part, and whether it is known.

    It is where a source is whole, and where its parts are its sentences and the target has
    as many.
    """
    for source, target, each in zip(batch["source"], batch["target"], parts, strict=True):
        if len(each) == 1:
            yield target, True
            continue
        texts = sentences(target, languages[1])
        if len(texts) == len(each) == len(sentences(source, languages[0])):
            yield from ((text.strip(), True) for text in texts)
        else:
            yield from [("", False)] * len(each)
