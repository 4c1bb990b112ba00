"""Where pairs of sentences come from: the user's files, or a TFDS dataset.

Generated ones are in :mod:`zoo_translation.generator.dataset`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from zoo import (
    SPLITS,
    Columns,
    ConfigError,
    Data,
    DataError,
    Dataset,
    DatasetInfo,
    Examples,
    Finding,
    GroupedSplits,
    equal_pairs,
    fingerprint,
    limited_findings,
    nearest,
    object_column,
    setting,
)
from zoo_translation.data import checks, formats
from zoo_translation.data.filters import FilterSettings, Form, clean, filter_findings, unfit
from zoo_translation.data.formats import Parallel
from zoo_translation.data.texts import Languages, Section

_SHOWN = 20
"""Findings of a kind that a report names one by one; a check names many times as many."""


@dataclass(frozen=True, kw_only=True)
class Pairs(Dataset, GroupedSplits, FilterSettings):
    """Sentences and their translations in aligned text files, TSV, JSON lines, TMX or TFDS.

    An example has `id`, such as `train.en:12`; `source` and `target`, sentences. Examples to
    predict on may lack `target`. Files named after train, val, valid, validation, dev or
    test are official splits. `info.facts["languages"]` are the codes of both languages,
    empty where unknown.
    """

    source: str = setting("", "Code of the language to translate from, such as en.")
    target: str = setting("", "Code of the language to translate into, such as de.")
    test_set: str = setting(
        "", "Which test set is the test split, of several; by default the first by name."
    )

    def load(self, *, seed: int, cache: Path) -> Data:
        """See :meth:`zoo.Dataset.load`."""
        data = self._load(seed)
        return replace(data, findings=limited_findings(data.findings, _SHOWN))

    def check(self, *, seed: int, cache: Path) -> list[Finding]:
        """See :meth:`zoo.Dataset.check`."""
        try:
            findings = self._load(seed).findings
        except DataError as error:
            findings = [Finding.unusable(error, self.path)]
        return limited_findings(findings, 50 * _SHOWN)

    def read(self, path: str, *, cache: Path) -> tuple[Examples, list[Finding]]:
        """Read sentences to translate, with their translations if all have one.

        Of a text file each line is one sentence, also an empty one, in the order of the file.
        `-` is the standard input. See :meth:`zoo.Dataset.read`.
        """
        parallel = formats.read_any(path, Languages(self.source, self.target))
        sections = parallel.sections
        sizes = [len(section.sources) for section in sections]
        splits, notes = self._official(sections, path)
        official = np.repeat(object_column(splits), sizes)
        columns = self.with_official(self._columns(sections), official)
        return Columns(columns), limited_findings([*parallel.findings, *notes], _SHOWN)

    def settled(self, info: DatasetInfo) -> Self:
        """Return the dataset with the languages of training."""
        source, target = info.facts["languages"]
        return replace(self, source=source, target=target)

    def _load(self, seed: int) -> Data:
        """Read, split and filter; see :meth:`load`."""
        parallel = formats.read(self.given_path, Languages(self.source, self.target))
        sections, notes = self._with_one_test_set(_in_order(parallel.sections))
        findings = [*parallel.findings, *notes]
        columns = self._columns(sections)
        if not len(columns["id"]):
            raise _unusable(self.path, findings)
        cleaned = self._cleaned(columns["target"])
        keys = {"source": self._keys(columns["source"]), "target": self._keys(cleaned)}
        rows, notes = self._rows(sections, columns["id"], keys["source"], seed)
        findings += notes
        columns["target"][rows["train"]] = cleaned[rows["train"]]
        rows["train"], notes = self._fit(rows["train"], columns, parallel.languages)
        findings += notes
        splits = {name: _at(columns, each) for name, each in rows.items()}
        for section in sections:
            findings += checks.section_findings(section)
        findings += checks.language_findings(columns["source"], cleaned, parallel.languages)
        findings += checks.split_findings(keys, columns["id"], rows)
        return Data(
            splits={name: Columns(split) for name, split in splits.items()},
            info=self._info(parallel, sections, splits),
            findings=findings,
        )

    def _with_one_test_set(
        self, sections: Sequence[Section]
    ) -> tuple[list[Section], list[Finding]]:
        """Leave out all test sets but one.

        Raises:
            ConfigError: there is none of the name that was given.
        """
        names = _test_sets(sections)
        if self.test_set and self.test_set not in names:
            raise ConfigError(
                f"data.test_set: there is no test set {self.test_set!r} in {self.path}.",
                hint=nearest(self.test_set, names) or f"There are: {', '.join(names) or 'none'}.",
            )
        if len(names) < 2:
            return list(sections), []
        chosen = self.test_set or names[0]
        others = [name for name in names if name != chosen]
        message = f"The test split is {chosen}; {', '.join(others)} {_are(others)} left out."
        hint = f"For another: --set data.test_set={others[0]}"
        kept = [each for each in sections if each.split != "test" or each.stem == chosen]
        return kept, [Finding("note", "test-set", message, self.path, hint)]

    def _official(self, sections: Sequence[Section], path: str) -> tuple[list[str], list[Finding]]:
        """Return the split of each section; of several test sets one alone is the test split."""
        names = _test_sets(sections)
        notes = []
        chosen = self.test_set or next(iter(names), "")
        if names and chosen not in names:
            chosen = names[0]
            message = f"There is no test set {self.test_set!r}; {chosen} is taken for it."
            hint = f"There are: {', '.join(names)}."
            notes = [Finding("warning", "test-set", message, path, hint)]
        others = {name for name in names if name != chosen}
        return ["" if each.stem in others else each.split for each in sections], notes

    def _columns(self, sections: Sequence[Section]) -> dict[str, np.ndarray]:
        """Return the sections as columns, sources cleaned; `target` where all have one."""
        columns = {
            "id": object_column(
                f"{section.name}:{number}" for section in sections for number in section.numbers
            ),
            "source": self._cleaned(text for section in sections for text in section.sources),
        }
        targets = [section.targets for section in sections if section.targets is not None]
        if len(targets) == len(sections):
            columns["target"] = object_column(text for texts in targets for text in texts)
        return columns

    def _cleaned(self, texts: Iterable[str]) -> np.ndarray:
        return object_column(clean(text, self.normalise) for text in texts)

    def _keys(self, cleaned: np.ndarray) -> np.ndarray:
        """Return cleaned texts as they are compared, whatever their case."""
        form: Form = "nfc" if self.normalise == "none" else "none"
        return object_column(clean(text, form).casefold() for text in cleaned)

    def _rows(
        self, sections: Sequence[Section], ids: np.ndarray, keys: np.ndarray, seed: int
    ) -> tuple[dict[str, np.ndarray], list[Finding]]:
        """Split so that equal source sentences are never in two random splits."""
        sizes = [len(section.sources) for section in sections]
        official = np.repeat(np.array([section.split for section in sections], object), sizes)
        groups = self.group_names(ids) if self.group else np.arange(len(ids))
        return self.split(official, groups, equal_pairs(keys.tolist()), seed)

    def _fit(
        self, rows: np.ndarray, columns: dict[str, np.ndarray], languages: Languages
    ) -> tuple[np.ndarray, list[Finding]]:
        """Return the rows that are good to learn from, and what is wrong with the others.

        Raises:
            DataError: none is left.
        """
        sources, targets = (columns[side][rows].tolist() for side in ("source", "target"))
        reasons = unfit(sources, targets, languages, self)
        findings = list(filter_findings(reasons, columns["id"][rows]))
        kept = rows[~np.any(list(reasons.values()), axis=0)]
        if not len(kept):
            raise _unusable(self.path, findings)
        return kept, findings

    def _info(
        self,
        parallel: Parallel,
        sections: Sequence[Section],
        splits: Mapping[str, Mapping[str, np.ndarray]],
    ) -> DatasetInfo:
        content = [
            "\n".join(split[side].tolist()).encode()
            for split in splits.values()
            for side in ("source", "target")
        ]
        tests = [section.stem for section in sections if section.split == "test"]
        return DatasetInfo(
            name="parallel text",
            source=self.path,
            fingerprint=fingerprint(list(parallel.languages), *content),
            counts={name: len(split["id"]) for name, split in splits.items()},
            facts={"languages": list(parallel.languages), "test_set": tests[0] if tests else ""},
        )


def _test_sets(sections: Iterable[Section]) -> list[str]:
    return sorted({section.stem for section in sections if section.split == "test"})


def _in_order(sections: Iterable[Section]) -> list[Section]:
    """Return the sections in order of their splits, so that copies are named in later ones."""
    return sorted(sections, key=lambda section: ("", *SPLITS).index(section.split))


def _at(columns: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: column[rows] for name, column in columns.items()}


def _are(things: Sequence[str]) -> str:
    return "are" if len(things) > 1 else "is"


def _unusable(path: str, findings: Sequence[Finding]) -> DataError:
    lines = [f"{finding.where}: {finding.message}" for finding in findings[:10]]
    return DataError("\n".join([f"Nothing in {path} can be used.", *lines]))
