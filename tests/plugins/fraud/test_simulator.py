from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from zoo_fraud.simulator import Portfolio, simulate


def simulated(seed: int = 0, **settings) -> pd.DataFrame:
    portfolio = Portfolio(**{"cards": 700, "terminals": 1400, "days": 60, **settings})
    return pd.concat([table.to_pandas() for table in simulate(portfolio, seed)])


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return simulated()


def test_cards_spend_as_the_handbook_describes(rows):
    a_day = len(rows) / 60 / 700
    hours = (rows.TX_DATETIME - rows.TX_DATETIME.dt.normalize()).dt.total_seconds() / 3600
    legitimate = rows[rows.TX_FRAUD == 0]

    assert a_day == pytest.approx(2 * 0.97, rel=0.05)  # A few fall outside the day.
    assert hours.mean() == pytest.approx(12, abs=0.2)
    assert legitimate.TX_AMOUNT.mean() == pytest.approx(53, abs=3)
    assert rows.TX_AMOUNT.min() >= 0
    assert rows.TX_DATETIME.between("2018-04-01", "2018-05-31").all()


def test_a_card_is_used_at_terminals_nearby(rows):
    terminals = rows.groupby("CUSTOMER_ID").TERMINAL_ID.nunique()

    expected = 1400 * np.pi * 5**2 / 100**2
    assert terminals.max() < 2 * expected


def test_large_amounts_are_frauds(rows):
    large = rows[(rows.TX_AMOUNT > 220) & (rows.TX_FRAUD_SCENARIO != 3)]

    assert (large.TX_FRAUD == 1).all()
    assert (rows[rows.TX_FRAUD_SCENARIO == 1].TX_AMOUNT > 220).all()


def test_a_compromised_terminal_has_only_frauds_for_28_days():
    rows = simulated(days=90)
    hit = rows[rows.TX_FRAUD_SCENARIO == 2]
    terminal = hit.TERMINAL_ID.mode()[0]
    there = rows[terminal == rows.TERMINAL_ID].sort_values("TX_DATETIME")
    during = there[there.TX_DATETIME.between(
        there[there.TX_FRAUD_SCENARIO == 2].TX_DATETIME.min(),
        there[there.TX_FRAUD_SCENARIO == 2].TX_DATETIME.min() + pd.Timedelta(days=20),
    )]  # fmt: skip

    assert during.TX_FRAUD.all()


def test_a_compromised_card_has_a_third_of_its_amounts_times_five(rows):
    stolen = rows[rows.TX_FRAUD_SCENARIO == 3]
    usual = rows[rows.TX_FRAUD == 0].groupby("CUSTOMER_ID").TX_AMOUNT.mean()

    ratio = (stolen.TX_AMOUNT / stolen.CUSTOMER_ID.map(usual)).median()
    assert ratio == pytest.approx(5, rel=0.2)


def test_the_share_of_frauds_is_that_of_the_handbook_at_any_size():
    shares = [simulated(cards=n, terminals=2 * n, days=90).TX_FRAUD.mean() for n in (500, 2000)]

    assert shares == pytest.approx([0.009, 0.009], abs=0.004)


def test_the_seed_decides_everything(rows):
    pd.testing.assert_frame_equal(rows, simulated())
    assert not rows.TX_AMOUNT.equals(simulated(seed=1).TX_AMOUNT)


def test_ids_are_unique(rows):
    assert rows.TRANSACTION_ID.is_unique


def test_another_portfolio_differs_in_currency_amounts_and_columns(rows):
    other = simulated(currency=100, amounts="skewed", further_columns=True)

    assert other.TX_AMOUNT.mean() == pytest.approx(100 * rows.TX_AMOUNT.mean(), rel=0.1)
    assert other.CHANNEL.nunique() == 4
    assert other.COUNTRY.nunique() > 4
    remote = other.CHANNEL.isin(["online", "phone"])
    assert remote[other.TX_FRAUD == 1].mean() > remote[other.TX_FRAUD == 0].mean() + 0.1


def test_a_card_without_terminals_nearby_is_not_used():
    assert len(simulated(radius=0, cards=10)) == 0
