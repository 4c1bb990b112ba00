"""Reads translation datasets of TensorFlow Datasets, whether TFRecord or array_record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from zoo import DataError, tfds_builder
from zoo_translation.data.texts import (
    Languages,
    Section,
    direction,
    incomplete,
    not_utf8,
    split_in,
)


def read(name: str, given: Languages) -> list[Section]:
    """Read a TFDS dataset with a feature `Translation` or `TranslationVariableLanguages`.

    Unless the user says otherwise, what the dataset calls its input is translated.

    Args:
        name: of the dataset, perhaps with configuration and version.
        given: what the user said of the languages.

    Raises:
        ConfigError: it cannot be told what is translated into what.
        DataError: there is no such dataset, it has no translations, or it is not here and
            may not be fetched.
    """
    builder = tfds_builder(name)
    key, feature = _translations(builder.info.features, name)
    codes = list(feature.languages or filter(None, given))
    keys = list(builder.info.supervised_keys or ())
    ordered = len(keys) == 2 and sorted(keys) == sorted(codes)
    here, languages = direction(
        keys if ordered else codes, given, ordered=ordered, where=f"tfds:{name}"
    )
    sections = []
    for split in sorted(builder.info.splits):
        examples = _examples(builder, split)
        texts = (_by_language(example[key] if key else example) for example in examples)
        sections.append(_section(texts, split, here, languages))
    return sections


def _translations(features: Any, name: str) -> tuple[str, Any]:
    """Return the feature with the translations and its key; an empty key if it is all there is.

    Raises:
        DataError: there is none.
    """
    import tensorflow_datasets as tfds

    kinds = (tfds.features.Translation, tfds.features.TranslationVariableLanguages)
    if isinstance(features, kinds):
        return "", features
    for key, feature in features.items():
        if isinstance(feature, kinds):
            return key, feature
    raise DataError(
        f"The TFDS dataset {name} has no translations.",
        hint=f"Its features are {', '.join(features)}.",
    )


def _examples(builder: Any, split: str) -> Iterator[Mapping[str, Any]]:
    """Yield the examples of a split, with texts as bytes."""
    import tensorflow_datasets as tfds

    if builder.info.file_format is tfds.core.FileFormat.ARRAY_RECORD:
        source = builder.as_data_source(split)
        return (source[row] for row in range(len(source)))
    return iter(tfds.as_numpy(builder.as_dataset(split)))


def _by_language(translation: Mapping[str, Any]) -> Mapping[str, bytes]:
    """Return the texts of an example by language, the first where there are several of one."""
    if set(translation) != {"language", "translation"}:
        return translation
    texts: dict[str, bytes] = {}
    for code, text in zip(translation["language"], translation["translation"], strict=True):
        texts.setdefault(code.decode(), text)
    return texts


def _section(
    examples: Iterable[Mapping[str, bytes]], split: str, here: Languages, languages: Languages
) -> Section:
    """Decode a split; what is not UTF-8, or lacks a language, is left out."""
    numbers, sources, targets = [], [], []
    findings = []
    lacking = count = 0
    for count, texts in enumerate(examples, start=1):
        if here.source not in texts or here.target not in texts:
            lacking += 1
            continue
        try:
            source, target = texts[here.source].decode(), texts[here.target].decode()
        except UnicodeDecodeError:
            findings.append(not_utf8(split, count - 1))
            continue
        numbers.append(count)
        sources.append(source)
        targets.append(target)
    findings += incomplete(lacking, count, split)
    return Section(split, split, languages, numbers, sources, targets, findings, split_in(split))
