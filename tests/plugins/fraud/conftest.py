"""Small transactions for the tests of the fraud plugin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

DAY = 86_400


@pytest.fixture
def transactions() -> pd.DataFrame:
    """Forty days of sixty cards at twenty terminals; one transaction in twelve is a fraud."""
    return make_transactions(3_000)


def make_transactions(rows: int, seed: int = 0) -> pd.DataFrame:
    """Return random transactions in order of time, with ties among the times."""
    rng = np.random.default_rng(seed)
    seconds = np.sort(rng.integers(0, 40 * 24, rows) * 3_600)
    fraud = (rng.random(rows) < 1 / 12).astype(np.int8)
    return pd.DataFrame(
        {
            "TRANSACTION_ID": np.arange(rows),
            "TX_DATETIME": np.datetime64("2018-04-01", "s") + seconds.astype("timedelta64[s]"),
            "CUSTOMER_ID": rng.integers(0, 60, rows),
            "TERMINAL_ID": rng.integers(0, 20, rows),
            "TX_AMOUNT": np.round(rng.gamma(2, 25, rows), 2),
            "CHANNEL": rng.choice(["chip", "online", "phone"], rows),
            "TX_FRAUD": fraud,
        }
    )
