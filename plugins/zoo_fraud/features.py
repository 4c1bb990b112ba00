"""What is known about a transaction at the moment it takes place.

The features are one definition in ibis, so DuckDB computes them on a laptop and Spark or
a warehouse where the data have outgrown one. Two rules hold throughout:

- Only strictly earlier transactions count; those of the same second do not.
- A label counts only once it is as old as the delay after which frauds are known.

Windows are as in the Fraud Detection Handbook (chapter 3, section 5): recent activity of
each card over the last days, and risk of each terminal over as many days before the delay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import ibis

from zoo import ConfigError, nearest

HOUR = 3_600
DAY = 24 * HOUR
VERSION = 1
"""Raised whenever the same transactions would get other features."""


class Windows:
    """Sliding windows over the transactions of one entity.

    A window of `days` days holds that many days exactly, up to and including its end.

    Args:
        keys: the columns that identify the entity.
        delay_days: the age at which labels are known.
    """

    def __init__(self, keys: Sequence[str], delay_days: float) -> None:
        self._keys = list(keys)
        self._delay = max(1, round(delay_days * DAY))

    def recent(self, days: float | None = None) -> Any:
        """Before the transaction; all of them if `days` is None."""
        return self._ending(1, days)

    def known(self, days: float | None = None) -> Any:
        """Old enough for their label to be known."""
        return self._ending(self._delay, days)

    def until_now(self) -> Any:
        """All up to and including transactions of the same second."""
        return self._ending(0, None)

    def _ending(self, age: int, days: float | None) -> Any:
        oldest = None if days is None else ibis.literal(age + round(days * DAY) - 1)
        return ibis.range_window(
            preceding=(oldest, ibis.literal(age)), group_by=self._keys, order_by="time"
        )


def features(
    transactions: ibis.Table,
    *,
    roles: Sequence[str],
    windows_days: Sequence[int],
    delay_days: float,
    select: Sequence[str] = ("*",),
    keep: Sequence[str] = ("row",),
    with_amount: bool = True,
    with_time: bool = True,
) -> ibis.Table:
    """Define the features of transactions in standard form.

    Args:
        transactions: columns `time` (int64, seconds), `day` (int32), `amount`
            (float64), `known` (int8: the label, null if it never becomes known) and one
            for each role.
        roles: the entities, the card first.
        windows_days: lengths of the windows.
        delay_days: the age at which labels are known.
        select: names of features, or patterns such as `card_*`.
        keep: columns of `transactions` to return beside the features.
        with_amount: whether amounts are given.
        with_time: whether times are given; without, there is no history.

    Returns:
        the columns to `keep`, then the features, float32, null where there is nothing to
        say.

    Raises:
        ConfigError: something in `select` fits no feature.
    """
    roles = list(roles) if with_time else []
    table = _with_labels_so_far(transactions, roles, delay_days)
    found: dict[str, Any] = {}
    if with_amount:
        table = _with_usual_amounts(table, roles, delay_days)
        found |= _amount(table)
    if with_time:
        found |= _calendar(table)
    for role in roles:
        windows = Windows([role], delay_days)
        found |= _activity(table, role, windows, windows_days)
        found |= _risk(table, role, windows, windows_days)
        if with_amount:
            found |= _unusual_amounts(table, role, windows, windows_days)
    for other in roles[1:]:
        found |= _pair(table, roles[0], other, Windows([roles[0], other], delay_days))
    names = _selected(list(found), select)
    return table.select(*keep, **{name: found[name].cast("float32") for name in names})


def _with_labels_so_far(table: ibis.Table, roles: Sequence[str], delay_days: float) -> ibis.Table:
    """Count each entity's frauds and legitimate transactions; read behind the delay only."""
    counts = {}
    for role in roles:
        until_now = Windows([role], delay_days).until_now()
        counts[f"{role}_frauds_so_far"] = table.known.sum().over(until_now)
        counts[f"{role}_legitimate_so_far"] = (1 - table.known).sum().over(until_now)
    return table.mutate(**counts)


def _with_usual_amounts(table: ibis.Table, roles: Sequence[str], delay_days: float) -> ibis.Table:
    """Add what the card usually spends, and `ratio`: the amount as a multiple of its mean.

    Usual is what it spent legitimately as far as known, else on all earlier transactions.
    """
    if not roles:
        nothing = ibis.null("float64")
        return table.mutate(usual_mean=nothing, usual_std=nothing, usual_max=nothing, ratio=nothing)
    windows = Windows(roles[:1], delay_days)
    legitimate = ibis.cases((table.known == 0, table.amount), else_=ibis.null("float64"))

    def usual(statistic: str) -> Any:
        trusted = getattr(legitimate, statistic)().over(windows.known())
        return ibis.coalesce(trusted, getattr(table.amount, statistic)().over(windows.recent()))

    table = table.mutate(usual_mean=usual("mean"), usual_std=usual("std"), usual_max=usual("max"))
    return table.mutate(ratio=table.amount / table.usual_mean.nullif(0))


def _amount(table: ibis.Table) -> dict[str, Any]:
    spread = table.usual_std + 0.02 * table.usual_mean
    return {
        "amount": table.amount,
        "amount_to_usual_mean": table.ratio,
        "amount_to_usual_max": table.amount / table.usual_max.nullif(0),
        "amount_zscore": (table.amount - table.usual_mean) / spread.nullif(0),
        "usual_mean": table.usual_mean,
        "usual_max": table.usual_max,
    }


def _calendar(table: ibis.Table) -> dict[str, Any]:
    second = table.time % DAY
    angle = second * (2 * math.pi / DAY)
    weekday = (table.day + 3) % 7  # Day 0, 1 January 1970, was a Thursday.
    return {
        "hour_sin": angle.sin(),
        "hour_cos": angle.cos(),
        "weekend": weekday >= 5,
        "night": second < 6 * HOUR,
    }


def _activity(
    table: ibis.Table, role: str, windows: Windows, windows_days: Sequence[int]
) -> dict[str, Any]:
    last = table.time.max().over(windows.recent())
    found = {f"{role}_hours_since_last": (table.time - last) / HOUR}
    for days in windows_days:
        found[f"{role}_count_{days}d"] = table.count().over(windows.recent(days))
    return found


def _unusual_amounts(
    table: ibis.Table, role: str, windows: Windows, windows_days: Sequence[int]
) -> dict[str, Any]:
    """How far amounts strayed from what each card usually spends."""
    longest = windows.known(max(windows_days))
    of_frauds = ibis.cases((table.known == 1, table.ratio), else_=ibis.null("float64"))
    found = {
        f"{role}_fraud_ratio_min": of_frauds.min().over(longest),
        f"{role}_fraud_ratio_mean": of_frauds.mean().over(longest),
    }
    for days in windows_days:
        recent = windows.recent(days)
        found[f"{role}_amount_mean_{days}d"] = table.amount.mean().over(recent)
        found[f"{role}_ratio_mean_{days}d"] = table.ratio.mean().over(recent)
        found[f"{role}_ratio_max_{days}d"] = table.ratio.max().over(recent)
    return found


def _risk(
    table: ibis.Table, role: str, windows: Windows, windows_days: Sequence[int]
) -> dict[str, Any]:
    """What is known of earlier frauds, counted in transactions and in days."""
    known, longest = windows.known(), windows.known(max(windows_days))
    no_day, no_count = ibis.null("int32"), ibis.null("int64")
    is_fraud, is_legitimate = table.known == 1, table.known == 0
    fraud_day = ibis.cases((is_fraud, table.day), else_=no_day)
    legitimate_day = ibis.cases((is_legitimate, table.day), else_=no_day)
    frauds, legitimate = table[f"{role}_frauds_so_far"], table[f"{role}_legitimate_so_far"]
    frauds_then = ibis.cases((is_legitimate, frauds), else_=no_count).max().over(known)
    legitimate_then = ibis.cases((is_fraud, legitimate), else_=no_count).max().over(known)
    found = {
        f"{role}_days_since_first_fraud": table.day - fraud_day.min().over(longest),
        f"{role}_days_since_last_fraud": table.day - fraud_day.max().over(longest),
        f"{role}_days_since_last_legitimate": table.day - legitimate_day.max().over(longest),
        f"{role}_frauds_in_a_row": table.known.sum().over(known) - frauds_then.fill_null(0),
        f"{role}_legitimate_in_a_row": (
            (1 - table.known).sum().over(known) - legitimate_then.fill_null(0)
        ),
    }
    for days in windows_days:
        past = windows.known(days)
        found[f"{role}_frauds_{days}d"] = table.known.sum().over(past).fill_null(0)
        found[f"{role}_fraud_share_{days}d"] = table.known.mean().over(past)
    return found


def _pair(table: ibis.Table, first: str, second: str, windows: Windows) -> dict[str, Any]:
    """How well the card knows the other entity."""
    last = table.time.max().over(windows.recent())
    return {
        f"{first}_{second}_count_30d": table.count().over(windows.recent(30)),
        f"{first}_{second}_days_since_last": (table.time - last) / DAY,
    }


def _selected(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ConfigError(f"No feature is called {pattern!r}.", hint=nearest(pattern, names))
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
