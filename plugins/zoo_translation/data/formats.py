"""Finds out in which format a path holds parallel text, and reads it."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo import ConfigError, DataError, Finding, tfds_name
from zoo_translation.data import aligned, tables, tfds_pairs, tmx
from zoo_translation.data.texts import Languages, Section

_TABLES: dict[str, Callable[[Path, str, Languages, bool], Section]] = {
    ".tsv": tables.read_tsv,
    ".jsonl": tables.read_jsonl,
    ".ndjson": tables.read_jsonl,
    ".tmx": lambda file, stem, given, labelled: tmx.read(file, stem, given),
}
_EXPECTED = (
    "Expected a folder or the common beginning of aligned files (train.en, train.de), the two "
    "of them with a comma between, a .tsv, .jsonl or .tmx file, a quoted glob, or tfds:NAME; "
    "each file may end in .gz."
)


@dataclass(frozen=True)
class Parallel:
    """All that a path holds.

    Attributes:
        languages: of both sides.
        sections: one for each file, or for each two aligned ones.
        unread: a finding for each file of several that could not be read.
    """

    languages: Languages
    sections: Sequence[Section]
    unread: Sequence[Finding] = ()

    @property
    def findings(self) -> list[Finding]:
        """What could not be read."""
        within = (finding for section in self.sections for finding in section.findings)
        return [*self.unread, *within]


def read(path: str, given: Languages) -> Parallel:
    """Read pairs.

    Args:
        path: a folder, the common beginning of aligned files, two files with a comma between
            them, a file, a glob, or `tfds:NAME`.
        given: what the user said of the languages.

    Raises:
        ConfigError: it cannot be told what is translated into what.
        DataError: there are no pairs, or files that cannot be read or are not aligned.
    """
    sections = _pairs(path, given)
    if not sections:
        raise DataError(f"{path} {_lack(path)}.", hint=_EXPECTED)
    bare = [section.name for section in sections if section.targets is None]
    if bare:
        raise DataError(f"{bare[0]} has sentences, but no translations.", hint=_EXPECTED)
    return Parallel(_common(sections, path), sections)


def read_any(path: str, given: Languages) -> Parallel:
    """Read sentences to translate, with their translations if all have one.

    Beside what :func:`read` takes, this is a text file with one sentence a line, a folder or
    glob of such, or `-` for the standard input. Of several tables or texts those that cannot
    be read are left out.

    Raises:
        ConfigError: it cannot be told which of several languages are meant.
        DataError: there is nothing that can be read, or aligned files are not aligned.
    """
    if path == "-":
        return Parallel(given, [aligned.read_bare(Path(path), given)])
    unread: list[Finding] = []
    sections = _pairs(path, given, unread)
    if not sections:
        sections = _each(_files(path, given), lambda file: aligned.read_bare(file, given), unread)
    if not sections:
        raise DataError(f"{path} {_lack(path)}.", hint=f"{_EXPECTED} Or a text file.")
    return Parallel(_common(sections, path), sections, unread)


def _pairs(path: str, given: Languages, unread: list[Finding] | None = None) -> list[Section]:
    """Read the pairs that a path holds; none if it holds plain texts at most.

    Tables that cannot be read are noted in `unread`, if it is given; see :func:`_each`.
    """
    if name := tfds_name(path):
        return tfds_pairs.read(name, given)
    if two := _named(path):
        return [aligned.read_named(*two, given)]
    files = _files(path, given)
    in_tables = [file for file in files if _suffix(file) in _TABLES]
    texts = [file for file in files if file not in in_tables]
    if not in_tables:
        return aligned.read_stems(texts, given, path) if aligned.stems(texts, given) else []
    if aligned.stems(texts, given) or len({_suffix(file) for file in in_tables}) > 1:
        raise DataError(
            f"{path} holds parallel text of several formats.",
            hint="Give the files of one: a quoted glob such as 'FOLDER/*.tsv'.",
        )

    def read_table(file: Path) -> Section:
        return _TABLES[_suffix(file)](file, _stem(file), given, unread is None)

    return _each(in_tables, read_table, unread)


def _each(
    files: Sequence[Path], read: Callable[[Path], Section], unread: list[Finding] | None
) -> list[Section]:
    """Read files one by one.

    Raises:
        DataError: of the first that cannot be read, if there is no `unread` to note it in,
            or nothing else to go on with.
    """
    sections, errors = [], {}
    for file in files:
        try:
            sections.append(read(file))
        except DataError as error:
            errors[file] = error
    if errors and (unread is None or not sections):
        raise next(iter(errors.values()))
    if unread is not None:
        unread += [Finding.unusable(error, str(file)) for file, error in errors.items()]
    return sections


def _named(path: str) -> tuple[Path, Path] | None:
    """Return the two files of a path such as `a.en,a.de`, or None if it is no such path."""
    names = [Path(name.strip()).expanduser() for name in path.split(",")]
    if len(names) != 2 or Path(path).expanduser().exists():
        return None
    for name in names:
        if not name.is_file():
            raise DataError(f"{name} is not a file.", hint=_EXPECTED)
    return names[0], names[1]


def _files(path: str, given: Languages) -> list[Path]:
    """Return the files that a path means, in order of name."""
    place = Path(path).expanduser()
    if place.is_dir():
        found = sorted(place.iterdir())
    elif place.exists():
        return [place]
    elif glob.has_magic(path):
        found = [Path(name) for name in sorted(glob.glob(str(place), recursive=True))]
    else:
        siblings = sorted(place.parent.glob("*")) if place.parent.is_dir() else []
        found = [file for file in siblings if aligned.language_of(file, given)[0] == place.name]
    return [file for file in found if file.is_file() and not file.name.startswith(".")]


def _plain(file: Path) -> Path:
    """Return a file's name without `.gz`."""
    return Path(file.stem if file.suffix.lower() == ".gz" else file.name)


def _suffix(file: Path) -> str:
    return _plain(file).suffix.lower()


def _stem(file: Path) -> str:
    return _plain(file).stem


def _lack(path: str) -> str:
    exists = Path(path).expanduser().exists()
    return "holds no parallel text" if exists else "does not exist"


def _common(sections: Sequence[Section], path: str) -> Languages:
    """Return the languages of all sections.

    Raises:
        ConfigError: they differ.
    """
    found = sorted({section.languages for section in sections})
    if len(found) > 1:
        shown = ", ".join(f"{source} to {target}" for source, target in found)
        raise ConfigError(
            f"The files of {path} hold several pairs of languages: {shown}.",
            hint="For example: --set data.source=en --set data.target=de",
        )
    return found[0]
