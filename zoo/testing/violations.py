"""How a check says that a plugin does not keep the contract, or that it cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any, Generic, TypeVar
from unittest import SkipTest

from zoo.discovery import describe
from zoo.errors import ZooError

T = TypeVar("T")


class ContractViolation(AssertionError):  # noqa: N818
    """A plugin does not keep the contract; the message says in what, and what to do."""


def require(kept: Any, message: str) -> None:
    """Raise `ContractViolation` with this message unless the contract is kept."""
    if not kept:
        raise ContractViolation(message)


@contextmanager
def blamed(what: str) -> Iterator[None]:
    """Turn an exception of the plugin's own code into a violation that says what failed."""
    try:
        yield
    except (ContractViolation, SkipTest):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) if isinstance(error, ZooError) else describe(error)
        raise ContractViolation(f"{what} failed: {reason}") from error


class shared(Generic[T]):  # noqa: N801
    """A property that is worked out once for all checks.

    If that fails, the check that asked first fails; those after it are skipped, so that one
    fault is reported once.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__
        update_wrapper(self, make)  # type: ignore[arg-type]

    def __get__(self, owner: Any, kind: type | None = None) -> T:
        if owner is None:
            return self  # type: ignore[return-value]
        known: dict[str, Any] = owner.__dict__.setdefault("_shared", {})
        if self._name not in known:
            try:
                known[self._name] = self._make(owner)
            except Exception as error:
                known[self._name] = error
                raise
        if isinstance(known[self._name], Exception):
            raise SkipTest(f"It needs what an earlier check found broken: {known[self._name]}")
        return known[self._name]
