"""What is known about a transaction at the moment it takes place.

The features are one definition in ibis, so DuckDB computes them on a laptop and Spark or
a warehouse where the data have outgrown one. Two rules hold throughout:

- Only strictly earlier transactions count; those of the same second do not.
- A label counts only once it is as old as the delay after which frauds are known.

Windows are as in the Fraud Detection Handbook (chapter 3, section 5): the activity of a
card over the last days, and the risk of a terminal over as many days before the delay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import ibis

HOUR = 3_600
DAY = 24 * HOUR
VERSION = 1
"""Raised whenever the same transactions would get other features."""

Family = Literal["counts", "gaps", "amounts", "means", "frauds", "shares", "traces"]
"""A kind of feature that each entity can have.

| family | what it says |
| --- | --- |
| counts | how many transactions, by window |
| gaps | hours since the last transaction |
| amounts | the largest amount as a multiple of what its card usually spends, by window |
| means | the mean amount, and the mean of those multiples, by window |
| frauds | how many frauds are known, by window; days since the first and the last |
| shares | share of frauds among the transactions with a known label, by window |
| traces | runs of frauds and of legitimate transactions up to the last known label, days since \
the last legitimate one, the least and mean multiple among the frauds |
"""


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
    families: Mapping[str, Sequence[Family]],
    windows_days: Sequence[int],
    delay_days: float,
    keep: Sequence[str] = (),
    calendar: bool = True,
    pairs: bool = False,
    with_amount: bool = True,
    with_time: bool = True,
) -> ibis.Table:
    """Define the features of transactions in standard form.

    Args:
        transactions: columns `time` (int64, seconds), `day` (int32), `amount` (float64),
            `known` (int8: the label, null if it never becomes known) and one for each
            entity.
        families: what is told of each entity, the card first.
        windows_days: lengths of the windows.
        delay_days: the age at which labels are known.
        keep: columns of `transactions` to return beside the features.
        calendar: add the time of day and week.
        pairs: add how well the card knows each of the other entities.
        with_amount: whether amounts are given.
        with_time: whether times are given; without, there is no history.

    Returns:
        the columns to keep, then the features, float32, null where there is nothing to say.
    """
    if not with_time:
        families, calendar = {}, False
    windows = {entity: Windows([entity], delay_days) for entity in families}
    card = next(iter(windows.values()), None)
    table = transactions
    if with_amount and card:
        table = _with_usual_amounts(table, card)
    table = _with_labels_so_far(table, windows)
    found: dict[str, Any] = {}
    if with_amount:
        found |= _amount(table, has_history=card is not None)
    if calendar:
        found |= _calendar(table)
    for entity, chosen in families.items():
        for family in chosen:
            if with_amount or family not in _OF_AMOUNTS:
                told = _FAMILIES[family](table, entity, windows[entity], windows_days)
                found |= {f"{entity}_{name}": value for name, value in told.items()}
    if pairs:
        found |= _pairs(table, list(families), delay_days)
    return table.select(*keep, **{name: value.cast("float32") for name, value in found.items()})


def _with_usual_amounts(table: ibis.Table, card: Windows) -> ibis.Table:
    """Add what the card usually spends, and `ratio`: the amount as a multiple of its mean.

    Usual is what it spent legitimately as far as known, else on all earlier transactions.
    """
    legitimate = _where(table.known == 0, table.amount)
    usual = {
        f"usual_{name}": ibis.coalesce(
            getattr(legitimate, name)().over(card.known()),
            getattr(table.amount, name)().over(card.recent()),
        )
        for name in ("mean", "std", "max")
    }
    table = table.mutate(**usual)
    return table.mutate(ratio=table.amount / table.usual_mean.nullif(0))


def _with_labels_so_far(table: ibis.Table, windows: Mapping[str, Windows]) -> ibis.Table:
    """Count the frauds and the legitimate transactions of each entity.

    A transaction's own label is among them, so they are only ever read behind the delay.
    """
    counts = {}
    for entity, window in windows.items():
        counts[f"{entity}_frauds_so_far"] = table.known.sum().over(window.until_now())
        counts[f"{entity}_legitimate_so_far"] = (1 - table.known).sum().over(window.until_now())
    return table.mutate(**counts)


def _amount(table: ibis.Table, *, has_history: bool) -> dict[str, Any]:
    if not has_history:
        return {"amount": table.amount}
    spread = table.usual_std + 0.02 * table.usual_mean
    return {
        "amount": table.amount,
        "amount_ratio": table.ratio,
        "amount_ratio_to_max": table.amount / table.usual_max.nullif(0),
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


def _counts(table: ibis.Table, entity: str, windows: Windows, days: Sequence[int]) -> Any:
    return {f"count_{each}d": table.count().over(windows.recent(each)) for each in days}


def _gaps(table: ibis.Table, entity: str, windows: Windows, days: Sequence[int]) -> Any:
    last = table.time.max().over(windows.recent())
    return {"hours_since_last": (table.time - last) / HOUR}


def _amounts(table: ibis.Table, entity: str, windows: Windows, days: Sequence[int]) -> Any:
    return {f"ratio_max_{each}d": table.ratio.max().over(windows.recent(each)) for each in days}


def _means(table: ibis.Table, entity: str, windows: Windows, days: Sequence[int]) -> Any:
    found = {}
    for each in days:
        recent = windows.recent(each)
        found[f"amount_mean_{each}d"] = table.amount.mean().over(recent)
        found[f"ratio_mean_{each}d"] = table.ratio.mean().over(recent)
    return found


def _frauds(table: ibis.Table, entity: str, windows: Windows, days: Sequence[int]) -> Any:
    fraud_day = _where(table.known == 1, table.day)
    longest = windows.known(max(days))
    found = {
        f"frauds_{each}d": table.known.sum().over(windows.known(each)).fill_null(0) for each in days
    }
    found["days_since_first_fraud"] = table.day - fraud_day.min().over(longest)
    found["days_since_last_fraud"] = table.day - fraud_day.max().over(longest)
    return found


def _shares(table: ibis.Table, entity: str, windows: Windows, days: Sequence[int]) -> Any:
    return {f"fraud_share_{each}d": table.known.mean().over(windows.known(each)) for each in days}


def _traces(table: ibis.Table, entity: str, windows: Windows, days: Sequence[int]) -> Any:
    known, longest = windows.known(), windows.known(max(days))
    is_fraud, is_legitimate = table.known == 1, table.known == 0
    frauds, legitimate = table[f"{entity}_frauds_so_far"], table[f"{entity}_legitimate_so_far"]
    frauds_then = _where(is_legitimate, frauds).max().over(known).fill_null(0)
    legitimate_then = _where(is_fraud, legitimate).max().over(known).fill_null(0)
    found = {
        "frauds_in_a_row": table.known.sum().over(known) - frauds_then,
        "legitimate_in_a_row": (1 - table.known).sum().over(known) - legitimate_then,
        "days_since_last_legitimate": table.day
        - _where(is_legitimate, table.day).max().over(longest),
    }
    if "ratio" in table.columns:
        ratio = _where(is_fraud, table.ratio)
        found["fraud_ratio_min"] = ratio.min().over(longest)
        found["fraud_ratio_mean"] = ratio.mean().over(longest)
    return found


def _pairs(table: ibis.Table, entities: Sequence[str], delay_days: float) -> dict[str, Any]:
    found = {}
    for other in entities[1:]:
        windows = Windows([entities[0], other], delay_days)
        last = table.time.max().over(windows.recent())
        found[f"{entities[0]}_{other}_count_30d"] = table.count().over(windows.recent(30))
        found[f"{entities[0]}_{other}_days_since_last"] = (table.time - last) / DAY
    return found


def _where(condition: Any, value: Any) -> Any:
    return ibis.cases((condition, value), else_=ibis.null(value.type()))


_OF_AMOUNTS = ("amounts", "means")
_FAMILIES = {
    "counts": _counts,
    "gaps": _gaps,
    "amounts": _amounts,
    "means": _means,
    "frauds": _frauds,
    "shares": _shares,
    "traces": _traces,
}
