"""What a plugin needs and lacks, from the metadata of installed distributions alone.

Nothing is imported, so the answer for a plugin on TensorFlow takes no longer than for one
without. The requirements of a plugin are those of its distribution, and those of the
distribution's extra that has the plugin's name.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import cache
from importlib import metadata
from typing import Any

_REQUIREMENT = re.compile(
    r"""\s* (?P<name>[\w.-]+) \s* (?:\[(?P<extras>[^\]]*)\])? \s*
        (?: @\s*\S+ | \(?(?P<versions>(?:[<>=!~][^;@()]*)?)\)? ) \s*
        (?: ; (?P<marker>.+))?""",
    re.VERBOSE,
)
_BOUNDS = re.compile(r"(?:(?:[<>]=?|[=!]=)[\d.]+,?)*")
_BOUND = re.compile(r"([<>=!]+)([\d.]+)")
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w.-]+)["']""")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class Package:
    """What the metadata of an installed distribution say.

    Attributes:
        name: as its authors write it.
        version: as installed.
        requires: its requirements, one line each, as in `Requires-Dist`.
        extras: canonical names of the extras it provides.
    """

    name: str
    version: str
    requires: tuple[str, ...]
    extras: frozenset[str]


@dataclass(frozen=True)
class Problem:
    """A requirement that is not met.

    Attributes:
        package: canonical name of the required distribution.
        requirement: what is required, such as ``duckdb>=1.2``.
        installed: the version there is; empty if there is none.
    """

    package: str
    requirement: str
    installed: str = ""

    def __str__(self) -> str:
        if not self.installed:
            return f"{self.requirement} is not installed"
        return f"{self.requirement} is required but {self.installed} is installed"


class Installed:
    """The installed distributions, each of which is read once."""

    def __init__(self) -> None:
        self._packages: dict[str, Package | None] = {}

    def package(self, name: str) -> Package | None:
        """Return the installed distribution of this name, or None."""
        name = canonical(name)
        if name not in self._packages:
            try:
                self._packages[name] = read(metadata.distribution(name))
            except metadata.PackageNotFoundError:
                self._packages[name] = None
        return self._packages[name]

    def problems(self, distribution: str, extra: str) -> list[Problem]:
        """Return what a plugin's distribution and extra require and do not get.

        A requirement with extras, such as ``keras-domain-zoo[fraud]``, stands for the
        requirements of those extras as well.

        Args:
            distribution: the distribution that holds the plugin.
            extra: the plugin's name; counts if the distribution has an extra of that name.

        Raises:
            ValueError: a requirement in the metadata cannot be read.
        """
        found: dict[str, Problem] = {}
        seen: set[tuple[str, str]] = set()
        distribution = canonical(distribution)
        pending = [(distribution, ""), (distribution, canonical(extra))]
        while pending:
            name, extra = pending.pop()
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            package = self.package(name)
            for requirement in map(_parse, package.requires if package else ()):
                if not requirement.applies(extra) or (extra and requirement.applies("")):
                    continue
                installed = self.package(requirement.name)
                if installed and requirement.allows(installed.version):
                    pending += [(requirement.name, each) for each in requirement.extras]
                else:
                    text = f"{requirement.name}{requirement.versions}"
                    found[text] = Problem(
                        requirement.name, text, installed.version if installed else ""
                    )
        return [found[text] for text in sorted(found)]


@dataclass(frozen=True)
class _Requirement:
    """One line of `Requires-Dist`, split into its parts.

    Those of the usual form, ``name>=1.2; extra == "fraud"``, are judged here and all others
    by `packaging`, whose import takes a fifth of the time a listing may take.
    """

    name: str
    extras: tuple[str, ...]
    versions: str
    marker: str

    def applies(self, extra: str) -> bool:
        """Return whether it has to be met on this machine for an extra."""
        if not self.marker:
            return True
        plain = _EXTRA.fullmatch(self.marker)
        if plain:
            return canonical(plain[1]) == extra
        from packaging.markers import Marker

        return Marker(self.marker).evaluate({"extra": extra})

    def allows(self, version: str) -> bool:
        """Return whether a version is in range."""
        numbers = _numbers(version)
        bounds = [(sign, _numbers(bound)) for sign, bound in _BOUND.findall(self.versions)]
        if numbers and _BOUNDS.fullmatch(self.versions) and all(bound for _, bound in bounds):
            return all(_COMPARE[sign](numbers, bound) for sign, bound in bounds)
        from packaging.specifiers import SpecifierSet
        from packaging.version import InvalidVersion

        try:
            return SpecifierSet(self.versions).contains(version, prereleases=True)
        except InvalidVersion:
            return False


def read(distribution: metadata.Distribution) -> Package:
    """Return what the metadata of a distribution say."""
    text = distribution.read_text("METADATA")
    headers = HeaderParser().parsestr(text or distribution.read_text("PKG-INFO") or "")
    # An egg-info folder has its requirements in a file of their own.
    requires = headers.get_all("Requires-Dist") if text else distribution.requires
    return Package(
        name=headers["Name"] or "unknown",
        version=headers["Version"] or "unknown",
        requires=tuple(requires or ()),
        extras=frozenset(canonical(each) for each in headers.get_all("Provides-Extra", [])),
    )


def install_command(distribution: str, extra: str = "") -> str:
    """Return the command that installs what a distribution and one of its extras require."""
    return f'pip install "{distribution}[{extra}]"' if extra else f'pip install "{distribution}"'


def canonical(name: str) -> str:
    """Return the one spelling of a distribution's or extra's name, as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _numbers(version: str) -> tuple[int, ...] | None:
    """Return the numbers of a version such as 2.21.0, or None if there is more to it."""
    if not re.fullmatch(r"\d+(\.\d+)*", version):
        return None
    return tuple(int(part) for part in re.sub(r"(\.0+)+$", "", version).split("."))


@cache
def _parse(text: str) -> _Requirement:
    parts = _REQUIREMENT.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text!r} is not a requirement")
    extras = (parts["extras"] or "").replace(" ", "").split(",")
    return _Requirement(
        name=canonical(parts["name"]),
        extras=tuple(canonical(each) for each in extras if each),
        versions=(parts["versions"] or "").replace(" ", ""),
        marker=(parts["marker"] or "").strip(),
    )
