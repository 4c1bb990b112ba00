"""Makes a plugin package out of templates.

A template is a working Python package: the domain `newplugin`, which can be linted, imported
and tested as it is. It lies in two parts, of which the second is laid over the first: what all
kinds of data have in common, and what is particular of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ConfigError
from zoo.specs import check_name
from zoo.storage import publish_folder

TEMPLATES = Path(__file__).parent / "templates"

_DOMAIN = "newplugin"
_CACHES = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
"""Folders that tools leave behind where they look at a template."""
_CORE_REQUIREMENT = '    "keras-domain-zoo[train]>=0.1,<0.2",\n'


@dataclass(frozen=True)
class Kind:
    """A kind of data that a package can be made for.

    Attributes:
        summary: what its examples are.
        requires: packages it needs beside the core.
    """

    summary: str
    requires: tuple[str, ...] = ()


KINDS = {
    "image": Kind("pictures in folders", ("pillow>=10.3",)),
    "audio": Kind("recordings in folders"),
    "text": Kind("texts in a table"),
    "table": Kind("numbers and categories in a table"),
    "series": Kind("time series in folders"),
}


@dataclass(frozen=True)
class Package:
    """A package to be made.

    Attributes:
        plugin: name of the plugin, such as `bird-songs`.
        kind: of its data; one of :data:`KINDS`.
    """

    plugin: str
    kind: str

    @property
    def distribution(self) -> str:
        """What `pip` calls it, such as `zoo-bird-songs`."""
        return f"zoo-{re.sub(r'[._-]+', '-', self.plugin)}"

    @property
    def module(self) -> str:
        """What it is imported as, such as `zoo_bird_songs`."""
        return self.distribution.replace("-", "_")

    def check(self) -> None:
        """Raise unless a plugin may have this name.

        Raises:
            ConfigError: it is no name for a plugin, or one of the zoo's own.
        """
        from zoo.discovery import FIRST_PARTY

        try:
            check_name(self.plugin)
        except ValueError as error:
            raise ConfigError(f"{error}.", hint="For example: zoo new bird-songs") from error
        if self.plugin in FIRST_PARTY:
            raise ConfigError(
                f"The name {self.plugin!r} belongs to keras-domain-zoo.",
                hint=f"Choose a name that says what is special, such as my-{self.plugin}.",
            )

    def write(self, folder: Path) -> list[Path]:
        """Write the package, which appears when it is whole.

        Args:
            folder: that becomes the package; it must not exist, or be empty.

        Returns:
            the files' paths within it.

        Raises:
            ConfigError: the folder holds something, or the name will not do.
            StorageError: it cannot be written.
        """
        self.check()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(
                f"{folder} is there already and not empty.",
                hint="Give another folder: --into FOLDER",
            )
        written = []
        with publish_folder(folder) as temporary:
            for place, text in sorted(self._files()):
                target = temporary / place
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
                written.append(place)
        return written

    def _files(self) -> Iterator[tuple[Path, str]]:
        """Yield where each file goes in the package, and its text."""
        for part in ("common", self.kind):
            for path in (TEMPLATES / part).rglob("*"):
                place = path.relative_to(TEMPLATES / part)
                if path.is_file() and not _CACHES & set(place.parts):
                    text = self._filled(path.read_text(encoding="utf-8"))
                    yield Path(self._renamed(place.as_posix())), text

    def _filled(self, text: str) -> str:
        """Return a template's text with this package's names and requirements."""
        more = "".join(f'    "{each}",\n' for each in KINDS[self.kind].requires)
        return self._renamed(text.replace(_CORE_REQUIREMENT, _CORE_REQUIREMENT + more))

    def _renamed(self, text: str) -> str:
        for placeholder, name in (
            (f"zoo_{_DOMAIN}", self.module),
            (f"test_{_DOMAIN}", f"test_{self.module.removeprefix('zoo_')}"),
            (f"zoo-{_DOMAIN}", self.distribution),
            (_DOMAIN, self.plugin),
        ):
            text = text.replace(placeholder, name)
        return text
