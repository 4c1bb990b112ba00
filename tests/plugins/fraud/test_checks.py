from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from zoo_fraud.datasets import Transactions

from zoo import Finding


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., dict[str, Finding]]:
    def found(rows: pd.DataFrame, **settings) -> dict[str, Finding]:
        path = tmp_path / "rows.csv"
        rows.to_csv(path, index=False)
        dataset = Transactions(path=str(path), **{"drop_known_cards": False, **settings})
        return {each.code: each for each in dataset.check(seed=0, cache=tmp_path / "cache")}

    return found


def test_sound_data_raise_no_objection(check, transactions):
    found = check(transactions)

    assert {each.level for each in found.values()} <= {"note"}


def test_copies_are_found(check, transactions):
    found = check(pd.concat([transactions, transactions[:7]]))

    assert found["duplicate-id"].message.startswith("7 ids")
    assert found["duplicate-row"].message.startswith("7 transactions")


def test_copies_in_two_splits_are_an_error(check, transactions):
    copies = transactions.assign(TRANSACTION_ID=transactions.TRANSACTION_ID + 10_000)

    found = check(pd.concat([transactions, copies]), validation="random")

    assert found["copies-across-splits"].level == "error"
    assert found["shared-cards"].where == "validation"


def test_rows_out_of_order_are_noted(check, transactions):
    assert "unsorted" not in check(transactions)
    assert check(transactions.sample(frac=1, random_state=0))["unsorted"].level == "note"


def test_each_bad_row_is_named(check, transactions):
    transactions = transactions.astype({"TX_AMOUNT": object})
    transactions.loc[4, "TX_AMOUNT"] = "free"

    found = check(transactions)["bad-row"]

    assert found.level == "error"
    assert found.where.endswith("rows.csv, line 6")
    assert "'free'" in found.message


@pytest.mark.parametrize("kind", ["number", "category", "missing"])
def test_a_column_that_equals_the_label_is_an_error(check, transactions, kind):
    fraud = transactions.TX_FRAUD == 1
    columns = {
        "number": np.where(fraud, np.arange(len(fraud)) % 3 + 1, 0),
        "category": np.where(fraud, "chargeback", "settled"),
        "missing": np.where(fraud, np.arange(len(fraud)) % 5, np.nan),
    }

    found = check(transactions.assign(outcome=columns[kind]))["label-leak"]

    assert (found.level, found.where) == ("error", "outcome")
    assert "data.ignore" in found.hint


def test_a_rare_category_is_no_leak(check, transactions):
    rare = np.arange(len(transactions)).astype(str)

    assert "label-leak" not in check(transactions.assign(code=rare), categories=("code",))


def test_a_column_that_only_counts_time_is_not_used(check, transactions):
    found = check(transactions.assign(seconds=np.arange(len(transactions)) // 2))

    assert found["unused-column"].message == "seconds is not used: it only grows with time."


def test_columns_that_say_nothing_are_found(check, transactions):
    mostly_missing = np.where(np.arange(len(transactions)) % 10, np.nan, 1.5)

    found = check(transactions.assign(CHANNEL="chip", score=mostly_missing), numbers=("score",))

    assert found["constant-column"].where in ("CHANNEL", "score")
    assert "90%" in found["mostly-missing"].message


def test_impossible_values_are_found(check, transactions):
    transactions.loc[5, "TX_AMOUNT"] = -3
    transactions["TX_DATETIME"] += pd.Timedelta(days=365 * 50)

    found = check(transactions)

    assert found["future-time"].level == "error"
    assert found["negative-amount"].message.startswith("1 amounts")


def test_one_class_only_is_an_error(check, transactions):
    found = check(transactions.assign(TX_FRAUD=0))

    assert found["unusable"].level == "error"
    assert "both classes" in found["unusable"].message


def test_a_label_the_wrong_way_round_is_suspected(check, transactions):
    found = check(transactions.assign(TX_FRAUD=1 - transactions.TX_FRAUD))

    assert "Check that 1 means fraud" in found["label-share"].hint


def test_a_shift_of_the_fraud_rate_is_found(check, transactions):
    late = transactions.TX_DATETIME > "2018-05-03"
    rare = (np.arange(len(transactions)) % 200 == 0).astype(int)

    found = check(transactions.assign(TX_FRAUD=np.where(late, transactions.TX_FRAUD, rare)))

    assert found["label-shift"].where == "test"
