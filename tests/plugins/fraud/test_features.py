from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
from zoo_fraud.features import features

DAY = 86_400
HOUR = 3_600
EVERYTHING = ("counts", "gaps", "amounts", "means", "frauds", "shares", "traces")
DELAY = 7


@pytest.fixture
def on_duckdb(tmp_path: Path) -> Callable[..., pd.DataFrame]:
    def compute(rows: pd.DataFrame, **changes: Any) -> pd.DataFrame:
        file = tmp_path / "rows.parquet"
        rows.to_parquet(file)
        return define(ibis.duckdb.connect().read_parquet(str(file)), **changes)

    return compute


def define(table: ibis.Table, **changes: Any) -> pd.DataFrame:
    settings = {
        "families": {"card": EVERYTHING, "terminal": EVERYTHING},
        "windows_days": (1, 7),
        "delay_days": DELAY,
        "keep": ["id"],
        "pairs": True,
        **changes,
    }
    found = features(table, **settings).execute()
    return found.sort_values("id").reset_index(drop=True)


def rows_at(*days: float, **columns: Any) -> pd.DataFrame:
    """Return transactions of one card at one terminal at these times, in days."""
    time = np.round(np.array(days) * DAY).astype(np.int64)
    frame = pd.DataFrame({"id": np.arange(len(days)), "time": time, **columns})
    given = {"card": "c", "terminal": "t", "amount": 10.0, "known": 0}
    frame = frame.assign(**{name: value for name, value in given.items() if name not in frame})
    return frame.assign(
        day=(frame.time // DAY).astype(np.int32),
        known=frame.known.astype("Int8"),
        amount=frame.amount.astype(float),
    )


def random_rows(seed: int, rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return rows_at(
        *np.sort(rng.integers(0, 30 * 24, rows) / 24),
        card=rng.integers(0, 8, rows).astype(str),
        terminal=rng.integers(0, 5, rows).astype(str),
        amount=np.round(rng.gamma(2, 20, rows), 2),
        known=rng.integers(0, 4, rows) == 0,
    )


def test_a_window_holds_what_came_before_and_is_a_whole_number_of_days_long(on_duckdb):
    second = 1 / DAY
    rows = rows_at(0, second, 1, 1 + second)

    found = on_duckdb(rows)

    assert found.card_count_1d.tolist() == [0, 1, 2, 2]


def test_transactions_of_the_same_second_do_not_count(on_duckdb):
    found = on_duckdb(rows_at(1, 2, 2, 2))

    assert found.card_count_7d.tolist() == [0, 1, 1, 1]
    assert found.card_hours_since_last.tolist()[1:] == [24, 24, 24]


def test_a_fraud_counts_once_it_is_as_old_as_the_delay(on_duckdb):
    second = 1 / DAY
    rows = rows_at(0, DELAY - second, DELAY, DELAY + 1, DELAY + 7, known=[1, 0, 0, 0, 0])

    found = on_duckdb(rows)

    assert found.card_frauds_7d.tolist() == [0, 0, 1, 1, 0]
    assert found.card_fraud_share_7d.isna().tolist() == [True, True, False, False, False]
    assert found.card_days_since_first_fraud.fillna(-1).tolist() == [-1, -1, 7, 8, -1]


def test_an_amount_is_compared_with_what_the_card_is_known_to_spend_legitimately(on_duckdb):
    rows = rows_at(0, 1, 2, 10, amount=[10, 30, 500, 40], known=[0, 0, 1, 0])

    found = on_duckdb(rows)

    assert found.amount_ratio.isna()[0]
    assert found.amount_ratio[1] == pytest.approx(3)  # Nothing is known yet: all so far.
    assert found.usual_mean[3] == pytest.approx(20)  # The fraud of day 2 is left out.
    assert found.amount_ratio_to_max[3] == pytest.approx(40 / 30)
    assert found.card_ratio_max_7d[3] != found.card_ratio_max_7d[3]  # Empty since day 3.


def test_runs_end_with_the_last_label_that_is_known(on_duckdb):
    known = [0, 1, 1, 0, 1]
    found = on_duckdb(rows_at(0, 1, 2, 3, 4, 9.5, 10.5, 11.5, known=[*known, 0, 0, 0]))

    assert found.terminal_frauds_in_a_row.tolist()[5:] == [2, 0, 1]
    assert found.terminal_legitimate_in_a_row.tolist()[5:] == [0, 1, 0]


def test_a_label_that_never_becomes_known_counts_neither_way(on_duckdb):
    found = on_duckdb(rows_at(0, 1, 2, 9.5, known=[1, None, 0, 0]))

    assert found.card_frauds_7d[3] == 1
    assert found.card_fraud_share_7d[3] == pytest.approx(1 / 2)


def test_each_entity_has_a_history_of_its_own(on_duckdb):
    rows = rows_at(0, 1, 2, card=["a", "b", "a"], terminal=["x", "x", "y"])

    found = on_duckdb(rows)

    assert found.card_count_7d.tolist() == [0, 0, 1]
    assert found.terminal_count_7d.tolist() == [0, 1, 0]
    assert found.card_terminal_count_30d.tolist() == [0, 0, 0]


def test_the_calendar_knows_the_weekend_and_the_night(on_duckdb):
    saturday = 2  # Day 0 was a Thursday.
    found = on_duckdb(rows_at(0.5, saturday + 0.1, saturday + 2.9))

    assert found.weekend.tolist() == [0, 1, 0]
    assert found.night.tolist() == [0, 1, 0]
    assert found.hour_cos[0] == pytest.approx(-1)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_comes_from_the_future(on_duckdb, seed):
    rows = random_rows(seed)
    cut = int(np.random.default_rng(seed).integers(8, 22)) * DAY
    changed = rows.copy()
    changed["known"] = rows.known.where(rows.time < cut, 1 - rows.known)
    later = rows.time > cut + DELAY * DAY
    changed["amount"] = rows.amount.where(~later, rows.amount * 7 + 1)
    changed["terminal"] = rows.terminal.where(~later, "elsewhere")

    before, after = on_duckdb(rows), on_duckdb(changed)

    past = (rows.time < cut + DELAY * DAY).to_numpy()
    pd.testing.assert_frame_equal(before[past], after[past])
    assert not before.equals(after)


def test_the_order_of_the_rows_does_not_matter(on_duckdb):
    rows = random_rows(0)

    shuffled = rows.sample(frac=1, random_state=0)

    pd.testing.assert_frame_equal(on_duckdb(rows), on_duckdb(shuffled), rtol=1e-6)


@pytest.mark.parametrize("entities", [[], ["card"], ["card", "terminal", "entity3", "entity4"]])
def test_any_number_of_entities_will_do(on_duckdb, entities):
    rows = random_rows(0, 50).assign(entity3="a", entity4="b")

    found = on_duckdb(rows, families=dict.fromkeys(entities, EVERYTHING))

    with_counts = {name.split("_count_7d")[0] for name in found if name.endswith("_count_7d")}
    assert with_counts == set(entities)
    assert "amount" in found


def test_without_amounts_or_times_there_are_fewer_features(on_duckdb):
    rows = random_rows(0, 50)

    assert "card_ratio_max_7d" not in on_duckdb(rows, with_amount=False)
    assert list(on_duckdb(rows, with_time=False)) == ["id", "amount"]


def test_features_equal_those_worked_out_one_by_one(on_duckdb):
    rows = random_rows(1, 150)
    found = on_duckdb(rows)

    for index, row in rows.iterrows():
        age = row.time - rows.time
        same = rows.card == row.card
        recent = rows[same & (age >= 1) & (age <= 7 * DAY)]
        known = rows[same & (age >= DELAY * DAY) & (age < (DELAY + 7) * DAY)]
        expected = [
            len(recent),
            recent.amount.mean(),
            known.known.sum(),
            known.known.mean() if len(known) else np.nan,
        ]
        got = found.loc[
            index,
            ["card_count_7d", "card_amount_mean_7d", "card_frauds_7d", "card_fraud_share_7d"],
        ]
        np.testing.assert_allclose(
            got.to_numpy(float), np.array(expected, float), rtol=1e-5, err_msg=str(index)
        )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not shutil.which("java"), reason="Spark needs Java")
def test_spark_computes_the_same(on_duckdb, tmp_path):
    sql = pytest.importorskip("pyspark.sql")
    rows = random_rows(2)
    expected = on_duckdb(rows)
    session = (
        sql.SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.sql.warehouse.dir", str(tmp_path / "warehouse"))
        .getOrCreate()
    )
    try:
        table = ibis.pyspark.connect(session).read_parquet(str(tmp_path / "rows.parquet"))
        found = define(table)
    finally:
        session.stop()

    assert list(found) == list(expected)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5, atol=1e-6)
