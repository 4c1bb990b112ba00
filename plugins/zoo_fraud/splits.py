"""Which transactions train, validate and test: by time, with a gap as long as labels take.

The defaults follow the Fraud Detection Handbook (chapter 5, section 2). Labels arrive with
a delay, so the last days before a test period cannot be trained on; and a card on which a
fraud is known is blocked, so its later transactions test nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, NamedTuple

import numpy as np

from zoo import (
    ConfigError,
    DataError,
    Finding,
    setting,
    split_by_group,
    split_by_time,
    split_stratified,
)

NAMES = ("train", "validation", "test")
_EPOCH = date(1970, 1, 1)
_SHARES = (0.6, 0.2, 0.2)


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """The settings of a split. Dates are written as 2018-07-25, and days are UTC."""

    delay_days: int = setting(
        7, "Days until a fraud is known; features and splits respect it.", minimum=0
    )
    train_start: str = setting("", "First day to train on; empty means `train_days`.")
    train_end: str = setting("", "Last day to train on; empty means `delay_days` before the test.")
    train_days: int = setting(
        0, "Days to train on, validation included; 0 means all before.", minimum=0
    )
    test_start: str = setting("", "First day to test on; empty means `test_days`.")
    test_end: str = setting("", "Last day to test on; empty means the last.")
    test_days: int = setting(7, "Days to test on.", minimum=1)
    validation: Literal["time", "earlier", "cards", "random"] = setting(
        "time",
        "`time`: the last days of the training period; `earlier`: days before it, as far from it "
        "as the test is; `cards` or `random`: a share of its cards or transactions.",
    )
    validation_days: int = setting(
        7, "Days to validate on; `time` takes at most a third of the training period.", minimum=1
    )
    validation_share: float = setting(
        0.2, "Share of cards or transactions to validate on.", minimum=0, maximum=1
    )
    drop_known_cards: bool = setting(
        True,
        "Leave out of validation and test the cards on which a fraud is known by then: they are "
        "blocked.",
    )
    known_days: int = setting(
        7,
        "A fraud counts as known if it took place in so many days before the labels end, or "
        "after them and longer ago than `delay_days`.",
        minimum=1,
    )


class Period(NamedTuple):
    """Whole days, both ends included, counted from 1 January 1970."""

    first: int
    last: int

    def rows(self, day: np.ndarray) -> np.ndarray:
        """Return which transactions lie in the period, bool."""
        return (day >= self.first) & (day <= self.last)

    def dates(self) -> list[str]:
        """The first and the last day."""
        return [str(_EPOCH + timedelta(days=int(day))) for day in self]

    def __str__(self) -> str:
        return " to ".join(self.dates())


class Split(NamedTuple):
    """A split of transactions.

    Attributes:
        rows: the transactions of `train`, `validation` and `test`, int64, ascending.
        periods: the days of each, where days decide.
        findings: what to know about it.
    """

    rows: Mapping[str, np.ndarray]
    periods: Mapping[str, Period]
    findings: tuple[Finding, ...] = ()


class Labelled(NamedTuple):
    """What a split depends on: the labelled transactions, in order of time.

    Attributes:
        day: since 1 January 1970, int [n].
        card: codes from 0, int [n].
        label: 0, 1, or -1 where there is none, int [n]; such are in no split.
        known: the label, or -1 where it may be used to measure but not to train, int [n].
    """

    day: np.ndarray
    card: np.ndarray
    label: np.ndarray
    known: np.ndarray


def split(
    settings: SplitSettings, transactions: Labelled, *, seed: int, with_time: bool = True
) -> Split:
    """Split transactions into training, validation and test.

    Args:
        settings: how.
        transactions: at least one.
        seed: of random splits.
        with_time: whether the data have times; if not, cards are split at random.

    Raises:
        ConfigError: a date cannot be read, or periods overlap.
        DataError: a split would hold nothing, or one class only.
    """
    day = transactions.day
    periods = _periods(settings, Period(int(day[0]), int(day[-1]))) if with_time else None
    if periods:
        result = _split_by_days(settings, periods, transactions, seed)
    elif with_time:
        result = _split_in_order(transactions)
    else:
        result = _split_at_random(transactions, seed)
    train = result.rows["train"]
    train = train[transactions.known[train] >= 0]
    result = result._replace(rows={**result.rows, "train": train})
    _require_both_classes(result, transactions.label)
    return result


def _periods(settings: SplitSettings, all_days: Period) -> dict[str, Period] | None:
    """Return the days of each split, or None if there are too few to leave a gap."""
    test_last = _day(settings, "test_end", all_days.last)
    test = Period(_day(settings, "test_start", test_last - settings.test_days + 1), test_last)
    train_last = _day(settings, "train_end", test.first - settings.delay_days - 1)
    train_first = max(all_days.first, train_last - settings.train_days + 1)
    if not settings.train_days:
        train_first = all_days.first
    train = Period(_day(settings, "train_start", train_first), train_last)
    dated = settings.train_start or settings.train_end or settings.test_start or settings.test_end
    if not dated and train.last - train.first + 1 < min(settings.test_days, 3):
        return None
    if not train.first <= train.last < test.first <= test.last:
        raise ConfigError(
            f"Training on {train} and testing on {test} does not work; the data are of {all_days}.",
            hint="Training must come before the test: set data.train_start, data.train_end, "
            "data.test_start and data.test_end, or fewer data.test_days.",
        )
    return _with_validation(settings, train, test)


def _with_validation(settings: SplitSettings, train: Period, test: Period) -> dict[str, Period]:
    """Take validation from the training period, or from before it.

    The training period ends where labels end.
    """
    validation = train
    if settings.validation == "time":
        days = max(1, min(settings.validation_days, (train.last - train.first + 1) // 3))
        validation = Period(train.last - days + 1, train.last)
        train = Period(train.first, train.last - days)
    elif settings.validation == "earlier":
        last = train.first - 1 - (test.first - train.last - 1)
        validation = Period(last - settings.validation_days + 1, last)
    return {"train": train, "validation": validation, "test": test}


def _split_by_days(
    settings: SplitSettings, periods: Mapping[str, Period], transactions: Labelled, seed: int
) -> Split:
    train, validation, test = (periods[name] for name in NAMES)
    chosen = {
        name: periods[name].rows(transactions.day) & (transactions.label >= 0) for name in NAMES
    }
    labels_end = validation.last if settings.validation == "time" else train.last
    gap = test.first - labels_end
    known = {"test": test.first - gap, "validation": validation.first - gap}
    if settings.validation == "time":
        known["validation"] = train.last
    elif settings.validation != "earlier":
        drawn = _draw(settings, transactions, chosen["train"], seed)
        chosen["validation"] = chosen["train"] & drawn
        chosen["train"] &= ~drawn
    if settings.drop_known_cards:
        for name, last in known.items():
            chosen[name] &= ~_is_known(settings, transactions, last)
    return Split({name: np.flatnonzero(chosen[name]) for name in NAMES}, periods)


def _is_known(settings: SplitSettings, transactions: Labelled, last: int) -> np.ndarray:
    """Return the transactions on cards with a fraud that is known by then, bool.

    It is known if it took place in the `known_days` that end with day `last`, or since then
    and longer ago than the delay.
    """
    day, card = transactions.day, transactions.card
    first_fraud = np.full(int(card.max()) + 1, np.iinfo(np.int64).max)
    frauds = (transactions.label == 1) & (day > last - settings.known_days)
    np.minimum.at(first_fraud, card[frauds], day[frauds])
    return first_fraud[card] <= np.maximum(day - settings.delay_days - 1, last)


def _draw(
    settings: SplitSettings, transactions: Labelled, among: np.ndarray, seed: int
) -> np.ndarray:
    """Draw a share of the cards, or of each class of the transactions `among`, bool."""
    rows, share = np.flatnonzero(among), settings.validation_share
    shares = (1 - share, share)
    if settings.validation == "cards":
        _, chosen = split_by_group(transactions.card[rows], shares, seed)
    else:
        _, chosen = split_stratified(transactions.label[rows], shares, seed)
    drawn = np.zeros(len(among), bool)
    drawn[rows[chosen]] = True
    return drawn


def _split_in_order(transactions: Labelled) -> Split:
    labelled = np.flatnonzero(transactions.label >= 0)
    parts = [labelled[rows] for rows in split_by_time(labelled, _SHARES)]
    finding = Finding(
        "warning",
        "short-period",
        "The data cover too few days for a gap as long as frauds take to be known, so they are "
        "split in order of time with none.",
        hint="Results will look better than they are in use; give more days, or set "
        "data.delay_days and data.test_days.",
    )
    return Split(dict(zip(NAMES, parts, strict=True)), {}, (finding,))


def _split_at_random(transactions: Labelled, seed: int) -> Split:
    labelled = np.flatnonzero(transactions.label >= 0)
    parts = split_by_group(transactions.card[labelled], _SHARES, seed)
    rows = {name: labelled[part] for name, part in zip(NAMES, parts, strict=True)}
    finding = Finding(
        "warning",
        "no-time",
        "No column holds the time, so the data are split at random and features have no history.",
        hint="If there is such a column, name it: --set data.time=COLUMN.",
    )
    return Split(rows, {}, (finding,))


def _require_both_classes(result: Split, label: np.ndarray) -> None:
    for name, rows in result.rows.items():
        frauds = int(label[rows].sum())
        if frauds in (0, len(rows)):
            days = f" ({result.periods[name]})" if name in result.periods else ""
            raise DataError(
                f"The {name} split{days} has {frauds:,} frauds among {len(rows):,} labelled "
                "transactions; both classes are needed.",
                hint="Choose other days with data.train_start, data.test_days and the like, or "
                "check the label column.",
            )


def _day(settings: SplitSettings, name: str, otherwise: int) -> int:
    """Return the day that a setting names, or `otherwise` if it is empty."""
    text = getattr(settings, name)
    if not text:
        return otherwise
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError as error:
        raise ConfigError(
            f"data.{name} is {text!r}, expected a date such as 2018-07-25."
        ) from error
