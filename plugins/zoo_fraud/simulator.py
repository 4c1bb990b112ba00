"""Simulated card transactions with three kinds of fraud, of any size.

Follows the published description in Le Borgne, Siblini, Lebichot and Bontempi,
*Reproducible Machine Learning for Credit Card Fraud Detection - Practical Handbook*,
chapter 3, section 2 (https://fraud-detection-handbook.github.io). Cards and terminals lie
in a square with sides of 100; a card is used at the terminals within a radius, a Poisson
number of times a day, around noon, for amounts normally distributed around its own mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from zoo import setting
from zoo_fraud.features import DAY

_SIDE = 100.0
_CARDS_AT_ONCE = 500
_CHANNELS = np.array(["chip", "contactless", "online", "phone"], object)
_COUNTRIES = np.array(["BE", "DE", "ES", "FR", "GB", "IT", "NL", "US"], object)


@dataclass(frozen=True, kw_only=True)
class Portfolio:
    """What is simulated: the settings of the simulator.

    The Handbook has 5,000 cards, 10,000 terminals and 183 days; the other defaults are its
    own.
    """

    cards: int = setting(2_000, "How many cards.", minimum=1)
    terminals: int = setting(4_000, "How many terminals.", minimum=1)
    days: int = setting(90, "How many days.", minimum=1)
    start: str = setting("2018-04-01", "The first day.")
    radius: float = setting(
        5.0, "Within which a card finds its terminals, in a square with sides of 100.", minimum=0
    )
    large_amount: float = setting(
        220.0, "Above it a transaction is a fraud (scenario 1), before `currency`.", minimum=0
    )
    terminals_compromised: float = setting(
        2.0,
        "Of 10,000 terminals, new ones a day at which all is fraud for 28 days (scenario 2).",
        minimum=0,
    )
    cards_compromised: float = setting(
        6.0,
        "Of 10,000 cards, new ones a day with which, for 14 days, a third of the transactions "
        "are frauds of five times the amount (scenario 3).",
        minimum=0,
    )
    currency: float = setting(1.0, "Factor on all amounts.", minimum=0)
    amounts: Literal["normal", "skewed"] = setting(
        "normal", "Distribution of a card's amounts; `skewed` is log-normal."
    )
    further_columns: bool = setting(
        False, "Add CHANNEL and COUNTRY, which differ a little between frauds and the rest."
    )


def simulate(portfolio: Portfolio, seed: int) -> Iterator[pa.Table]:
    """Yield the transactions, a block of cards at a time.

    Columns are those of the Handbook: `TRANSACTION_ID` int64, `TX_DATETIME` timestamp[s],
    `CUSTOMER_ID` int32, `TERMINAL_ID` int32, `TX_AMOUNT` float64, `TX_FRAUD` int8 and
    `TX_FRAUD_SCENARIO` int8 (0 if legitimate).

    Args:
        portfolio: what to simulate.
        seed: equal seeds give equal transactions.
    """
    world = _world(portfolio, np.random.default_rng([seed, 0]))
    first_id = 0
    for block, first in enumerate(range(0, portfolio.cards, _CARDS_AT_ONCE)):
        cards = np.arange(first, min(first + _CARDS_AT_ONCE, portfolio.cards))
        table = _transactions(portfolio, world, cards, np.random.default_rng([seed, 1, block]))
        ids = np.arange(first_id, first_id + len(table), dtype=np.int64)
        yield table.add_column(0, "TRANSACTION_ID", [ids])
        first_id += len(table)


class _World(NamedTuple):
    """What all cards share: places [terminals, 2], and who is compromised on which day."""

    terminals: np.ndarray
    bad_terminal: np.ndarray
    bad_card: np.ndarray


def _world(portfolio: Portfolio, rng: np.random.Generator) -> _World:
    days = portfolio.days
    terminals = rng.uniform(0, _SIDE, (portfolio.terminals, 2)).astype(np.float32)
    bad_terminal = _compromised(
        rng, portfolio.terminals, days, portfolio.terminals_compromised, lasting=28
    )
    bad_card = _compromised(rng, portfolio.cards, days, portfolio.cards_compromised, lasting=14)
    return _World(terminals, bad_terminal, bad_card)


def _compromised(
    rng: np.random.Generator, count: int, days: int, rate: float, *, lasting: int
) -> np.ndarray:
    """Return which of `count` are compromised on which day, bool [count, days].

    On average `rate` of 10,000 are compromised each day, for `lasting` days.
    """
    expected = rate * count / 10_000
    result = np.zeros((count, days), bool)
    for day in range(days):
        new = int(expected) + (rng.random() < expected % 1)
        result[rng.choice(count, min(new, count), replace=False), day : day + lasting] = True
    return result


def _transactions(
    portfolio: Portfolio, world: _World, cards: np.ndarray, rng: np.random.Generator
) -> pa.Table:
    """Return what happens on some cards, labelled."""
    place = rng.uniform(0, _SIDE, (len(cards), 2)).astype(np.float32)
    mean = rng.uniform(5, 100, len(cards))
    a_day = rng.uniform(0, 4, len(cards))
    near = _near(place, world.terminals, portfolio.radius)

    times = rng.poisson(a_day[:, None], (len(cards), portfolio.days))
    times[[len(found) == 0 for found in near]] = 0
    who, day = (index.repeat(times.ravel()) for index in np.indices(times.shape).reshape(2, -1))
    second = rng.normal(DAY / 2, 20_000, len(who)).astype(np.int64)
    inside = (second > 0) & (second < DAY)
    who, day, second = who[inside], day[inside], second[inside]

    amount = _amounts(rng, mean[who], portfolio.amounts)
    terminal = _choose(rng, near, who)
    scenario = np.where(amount > portfolio.large_amount, 1, 0).astype(np.int8)
    scenario[world.bad_terminal[terminal, day]] = 2
    stolen = world.bad_card[cards[who], day] & (rng.random(len(who)) < 1 / 3)
    amount[stolen] *= 5
    scenario[stolen] = 3
    start = np.datetime64(portfolio.start, "s")
    columns = {
        "TX_DATETIME": start + (day * DAY + second).astype("timedelta64[s]"),
        "CUSTOMER_ID": cards[who].astype(np.int32),
        "TERMINAL_ID": terminal.astype(np.int32),
        "TX_AMOUNT": np.round(amount * portfolio.currency, 2),
        "TX_FRAUD": (scenario > 0).astype(np.int8),
        "TX_FRAUD_SCENARIO": scenario,
    }
    if portfolio.further_columns:
        columns |= _further_columns(rng, who, scenario > 0, len(cards))
    return pa.table(columns)


def _near(place: np.ndarray, terminals: np.ndarray, radius: float) -> list[np.ndarray]:
    """Return the terminals within `radius` of each place."""
    return [np.flatnonzero(((terminals - point) ** 2).sum(1) < radius**2) for point in place]


def _choose(rng: np.random.Generator, near: list[np.ndarray], who: np.ndarray) -> np.ndarray:
    """Return one of the terminals near each card, all equally likely."""
    count = np.array([len(found) for found in near], np.int64)
    first = np.cumsum(count) - count
    drawn = (rng.random(len(who)) * count[who]).astype(np.int64)
    return np.concatenate(near)[first[who] + drawn] if len(who) else np.zeros(0, np.int64)


def _amounts(rng: np.random.Generator, mean: np.ndarray, shape: str) -> np.ndarray:
    """Return amounts with half the mean as standard deviation; none is negative."""
    if shape == "skewed":
        spread = np.sqrt(np.log(1.25))
        return mean * np.exp(rng.normal(-(spread**2) / 2, spread, len(mean)))
    amount = rng.normal(mean, mean / 2)
    return np.where(amount < 0, rng.uniform(0, 2 * mean), amount)


def _further_columns(
    rng: np.random.Generator, who: np.ndarray, fraud: np.ndarray, cards: int
) -> dict[str, np.ndarray]:
    """Return a channel and a country for each transaction; frauds are more often remote."""
    usual, at_fraud = np.array([0.4, 0.3, 0.25, 0.05]), np.array([0.2, 0.2, 0.45, 0.15])
    channel = np.where(
        fraud,
        rng.choice(len(_CHANNELS), len(who), p=at_fraud),
        rng.choice(len(_CHANNELS), len(who), p=usual),
    )
    home = rng.integers(len(_COUNTRIES), size=cards)[who]
    abroad = rng.random(len(who)) < np.where(fraud, 0.25, 0.05)
    country = np.where(abroad, rng.integers(len(_COUNTRIES), size=len(who)), home)
    return {"CHANNEL": _CHANNELS[channel], "COUNTRY": _COUNTRIES[country]}


SCHEMA = {
    "time": "TX_DATETIME",
    "entities": ("CUSTOMER_ID", "TERMINAL_ID"),
    "amount": "TX_AMOUNT",
    "label": "TX_FRAUD",
    "id": "TRANSACTION_ID",
    "numbers": (),
}
"""The part of each column that is always there, as :func:`zoo_fraud.schema.resolve` takes it."""

FURTHER_COLUMNS = ("CHANNEL", "COUNTRY")
