"""Which column of a table plays which part, as given by the user or guessed from names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from zoo import DataError, Finding, nearest

Kind = Literal["number", "time", "text"]
"""What a column holds, as far as its first rows tell."""

ROLES = ("card", "terminal", "entity3", "entity4", "entity5", "entity6")
"""Names of the entities in features, by their place in the schema.

Features are named after roles and not after the user's columns, so that a model of one
portfolio can start from the weights of another.
"""

_WELL_KNOWN = {
    "time": "txdatetime transdatetranstime transactiondatetime transactiontimestamp datetime "
    "timestamp eventtimestamp transactiontime transactiondate transactiondt txtime createdat "
    "unixtime date time txtimeseconds",
    "card": "customerid cardid cardnumber cardno ccnum card pan accountid accountnumber account "
    "customer clientid client userid user nameorig",
    "terminal": "terminalid terminal merchantid merchant merchantname store storeid shop payee "
    "beneficiary recipient namedest",
    "amount": "txamount amt amount transactionamount transactionamt transamt txamt amountusd value",
    "label": "txfraud isfraud fraud fraudlabel fraudflag fraudbool isfraudulent eventlabel class "
    "label target",
    "id": "transactionid txid transid transnum transactionnumber txnid eventid uuid id",
}


@dataclass(frozen=True)
class Schema:
    """The parts of a table's columns; an empty name means there is no such column.

    Attributes:
        time: when the transaction took place, a date-time or a number of seconds.
        entities: what takes part in it; the first is the card, the unit alerts are about.
        amount: in any one currency.
        label: 1 for fraud, 0 for legitimate, empty if not known.
        id: identifies the transaction.
        numbers: further columns that are features as they are.
        categories: further columns of names that are features.
        ignore: columns that are no features.
    """

    time: str = ""
    entities: tuple[str, ...] = ()
    amount: str = ""
    label: str = ""
    id: str = ""
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @property
    def roles(self) -> dict[str, str]:
        """The column of each entity by its role."""
        return dict(zip(ROLES, self.entities, strict=False))

    def settings(self) -> dict[str, Any]:
        """The schema as settings of a dataset, with which nothing is guessed again."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    def without(self, columns: Iterable[str]) -> Schema:
        """The schema with further columns taken out of the features."""
        columns = set(columns)
        return replace(
            self,
            numbers=tuple(name for name in self.numbers if name not in columns),
            categories=tuple(name for name in self.categories if name not in columns),
            ignore=(*self.ignore, *sorted(columns)),
        )


def read_schema(path: Path) -> dict[str, Any]:
    """Read a schema from a TOML file such as

    .. code-block:: toml

        time = "booked_at"
        entities = ["card", "shop"]
        amount = "euros"
        label = "fraud"

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"The schema {path} cannot be read: {error}",
            hint='Give a TOML file with lines such as `time = "booked_at"`.',
        ) from error
    types = {field.name: type(field.default) for field in fields(Schema)}
    for name, value in values.items():
        if name not in types:
            raise DataError(f"{path} has the unknown entry {name!r}.", hint=nearest(name, types))
        expected = list if types[name] is tuple else str
        if not isinstance(value, expected) or not all(isinstance(item, str) for item in value):
            what = "a list of column names" if expected is list else "a column name"
            raise DataError(f"{path}: {name} is {value!r}, expected {what}.")
    return values


def resolve(
    kinds: Mapping[str, Kind], given: Mapping[str, Any], where: str
) -> tuple[Schema, list[Finding]]:
    """Find the part of each column.

    Args:
        kinds: the table's columns and what they hold.
        given: parts by the names of :class:`Schema`; a part that is None or missing is
            guessed, an empty one is not there.
        where: the table, for messages.

    Returns:
        the schema, and a note for each part that was guessed or column that is not used.

    Raises:
        DataError: a named column does not exist.
    """
    chosen = {part: value for part, value in given.items() if value is not None}
    needed = _names(value for part, value in chosen.items() if part != "ignore")
    _require(needed, kinds, where)
    free = {name: kind for name, kind in kinds.items() if name not in _names(chosen.values())}
    guessed = _guess(free, chosen)
    used = _names(guessed.values())
    left = {name: kind for name, kind in free.items() if name not in used}
    further = {
        "numbers": [name for name, kind in left.items() if kind == "number"],
        "categories": [name for name, kind in left.items() if kind == "text"],
    }
    times = [name for name, kind in left.items() if kind == "time" and "numbers" not in chosen]
    parts = {**further, **guessed, **chosen, "ignore": [*(chosen.get("ignore") or []), *times]}
    schema = Schema(**{part: _frozen(value) for part, value in parts.items()})
    if len(schema.entities) > len(ROLES):
        raise DataError(
            f"{len(schema.entities)} entities are named, at most {len(ROLES)} can be used.",
            hint="Keep those that frauds have in common; the others can be categories.",
        )
    notes = [_guessed(part, value, where) for part, value in guessed.items()]
    return schema, notes + [_unused(name) for name in times]


def _require(names: Iterable[str], columns: Iterable[str], where: str) -> None:
    columns = list(columns)
    missing = [name for name in names if name not in columns]
    if missing:
        listed = ", ".join(repr(name) for name in missing)
        raise DataError(f"{where} has no column {listed}.", hint=nearest(missing[0], columns))


def _guess(free: Mapping[str, Kind], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts found by name among the `free` columns."""
    guessed: dict[str, Any] = {}
    if "entities" not in chosen:
        found = (_well_known("card", free), _well_known("terminal", free))
        guessed["entities"] = [name for name in found if name]
    for part in ("time", "amount", "label", "id"):
        if part not in chosen:
            guessed[part] = _well_known(part, free)
    times = [name for name, kind in free.items() if kind == "time"]
    if guessed.get("time") == "" and len(times) == 1:
        guessed["time"] = times[0]
    return {part: value for part, value in guessed.items() if value}


def _well_known(part: str, free: Mapping[str, Kind]) -> str:
    """Return the free column whose name is best known for `part`, or nothing."""
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(list(free))}
    for known in _WELL_KNOWN[part].split():
        name = plain.get(known, "")
        if name and (part != "amount" or free[name] == "number"):
            return name
    return ""


def _unused(name: str) -> Finding:
    return Finding(
        "note",
        "unused-column",
        f"{name} is not used: it holds dates.",
        where=name,
        hint="What matters of them, such as an age, is best given as a number.",
    )


def _guessed(part: str, value: Any, where: str) -> Finding:
    return Finding(
        "note",
        "guessed-column",
        f"{part} = {', '.join(_names([value]))}, going by the name.",
        where=where,
        hint=f"If that is wrong, name the column: --set data.{part}=...",
    )


def _names(values: Iterable[Any]) -> list[str]:
    listed = [[value] if isinstance(value, str) else value for value in values]
    return [name for names in listed for name in names if name]


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
