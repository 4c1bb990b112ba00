"""Card precision and cost, against a plain reading of their definitions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from zoo_fraud.metrics import DailyCards


def _transactions(seed: int, count: int = 600) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    label = (generator.random(count) < 0.1).astype(int)
    return {
        "day": generator.integers(100, 106, count),
        "card": generator.integers(0, 90, count),
        "label": label,
        "score": generator.random(count) + 0.3 * label,
        "amount": generator.integers(1, 100, count).astype(float),
    }


def _slow_precision(table: pd.DataFrame, k: int) -> float:
    """As the Fraud Detection Handbook describes it, day by day."""
    blocked: set[int] = set()
    each_day = []
    for _, day in table.groupby("day"):
        cards = day[~day.card.isin(blocked)].groupby("card").agg({"score": "max", "label": "max"})
        top = cards.sort_values("score", ascending=False).head(k)
        blocked |= set(top.index[top.label == 1])
        each_day.append(top.label.sum() / k)
    return float(np.mean(each_day))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 7, 30])
def test_card_precision_follows_its_definition(seed: int, k: int) -> None:
    columns = _transactions(seed)
    found = DailyCards(**columns).precision(np.ones(600), k)
    assert found == pytest.approx(_slow_precision(pd.DataFrame(columns), k))


def test_a_card_drawn_twice_counts_as_two_cards() -> None:
    columns = _transactions(0)
    weights = np.random.default_rng(1).integers(0, 3, 90)[columns["card"]]
    copies = []
    for copy in range(2):
        kept = {name: values[weights > copy] for name, values in columns.items()}
        copies.append(
            {**kept, "card": kept["card"] + 1000 * copy, "score": kept["score"] - copy * 1e-9}
        )
    drawn = {name: np.concatenate([one[name] for one in copies]) for name in columns}
    expected = _slow_precision(pd.DataFrame(drawn), 10)
    assert DailyCards(**columns).precision(weights, 10) == pytest.approx(expected, abs=0.02)


def test_cost_is_missed_fraud_and_checks() -> None:
    cards = DailyCards(
        day=np.array([1, 1, 1, 2, 2]),
        card=np.array([1, 2, 3, 1, 2]),
        label=np.array([1, 1, 0, 1, 1]),
        score=np.array([0.9, 0.5, 0.1, 0.9, 0.5]),
        amount=np.array([100.0, 40.0, 7.0, 10.0, 20.0]),
    )
    # Day 1: card 1 is checked and blocked, card 2's 40 are lost. Day 2: card 2 is checked.
    assert cards.cost(np.ones(5), k=1, alert_cost=3.0) == pytest.approx((40 + 3 + 0 + 3) / 2)
    # Nobody is checked.
    assert cards.cost(np.ones(5), k=0, alert_cost=3.0) == pytest.approx((140 + 30) / 2)
