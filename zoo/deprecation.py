"""Old names go on working for two releases: of settings, components, arguments and exports.

Whatever is renamed says what it was called, and the core does the rest:

.. code-block:: python

    rate: float = zoo.setting(
        1e-3,
        "Peak learning rate.",
        formerly=(zoo.Former("lr", since="0.2", removed_in="0.4"),),
    )

Until `removed_in` the old name is taken for the new one, with a warning that is shown once.
From then on it is an error that still says the new name, until the `Former` is deleted.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, TypeVar, cast

import zoo

F = TypeVar("F", bound=Callable[..., Any])


class ZooDeprecationWarning(FutureWarning):
    """An old name was used that a later release will not know.

    A `FutureWarning`, since Python hides a `DeprecationWarning` from users of a program.
    """


@dataclass(frozen=True)
class Former:
    """A name that something had before.

    Attributes:
        name: the old one.
        since: the release that renamed it.
        removed_in: the first release that does not know the old name, two or more later.
        package: the distribution whose releases these are; empty for that of `zoo` itself.
    """

    name: str
    since: str
    removed_in: str
    package: str = ""

    @property
    def expired(self) -> bool:
        """Whether the installed release no longer knows the name."""
        from packaging.version import Version

        try:
            installed = metadata.version(self.package) if self.package else zoo.__version__
        except metadata.PackageNotFoundError:  # registered by hand, so it has no releases
            return False
        return Version(self.removed_in) <= Version(installed)

    def admit(self, old: str, new: str, error: type[Exception]) -> None:
        """Let the old name pass with a warning, or refuse it once its time is up.

        Args:
            old: what was used, in words, such as "The setting 'train.lr'".
            new: what to use instead, in words.
            error: what to raise.
        """
        releases = self.package or "zoo"
        if self.expired:
            raise error(
                f"{old} is called {new} since {releases} {self.since}; "
                f"{self.removed_in} dropped the old name."
            )
        _warn_once(
            f"{old} is called {new} since {releases} {self.since}; "
            f"{self.removed_in} will drop the old name."
        )


NAMES: Mapping[str, Iterable[Former]] = {}
"""Present public name of `zoo` -> its former ones."""


def find(old: str, formerly: Mapping[str, Iterable[Former]]) -> tuple[str, Former] | None:
    """Return the present name of what was called `old`, and the former that says so.

    Args:
        old: the name that was used.
        formerly: present name -> its former ones.
    """
    return next(
        ((new, each) for new, formers in formerly.items() for each in formers if each.name == old),
        None,
    )


def renamed_argument(new: str, former: Former) -> Callable[[F], F]:
    """Let a function take a keyword argument under its former name.

    Args:
        new: the argument's present name.
        former: what it was called.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if former.name in kwargs:
                owner = f"{function.__qualname__}()"
                if new in kwargs:
                    raise TypeError(f"{owner} got both {new!r} and its old name {former.name!r}")
                former.admit(f"The argument {former.name!r} of {owner}", repr(new), TypeError)
                kwargs[new] = kwargs.pop(former.name)
            return function(*args, **kwargs)

        return cast(F, wrapper)

    return decorate


@functools.cache
def _warn_once(message: str) -> None:
    """Warn, and not again in this process, however often libraries reset Python's filters."""
    warnings.warn(message, ZooDeprecationWarning, stacklevel=4)
