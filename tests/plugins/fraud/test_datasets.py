from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from zoo_fraud.datasets import Simulator, Transactions

from zoo import DataError


@pytest.fixture
def path(tmp_path: Path, transactions: pd.DataFrame) -> Path:
    file = tmp_path / "rows.parquet"
    transactions.to_parquet(file)
    return file


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def dataset(path: Path, **settings) -> Transactions:
    return Transactions(path=str(path), **{"drop_known_cards": False, **settings})


def everything(examples) -> dict[str, np.ndarray]:
    return examples[np.arange(len(examples))]


def test_examples_have_features_and_what_they_belong_to(path, cache, transactions):
    data = dataset(path).load(seed=0, cache=cache)

    batch = everything(data.splits["train"])
    facts = data.info.facts
    assert batch["number"].shape == (len(data.splits["train"]), len(facts["numbers"]))
    assert batch["number"].dtype == np.float32
    assert facts["categories"] == ["CHANNEL"]
    first = transactions.set_index(transactions.TRANSACTION_ID.astype(str)).loc[batch["id"][0]]
    assert batch["category"][0, 0] == first.CHANNEL
    assert batch["card"][0] == str(first.CUSTOMER_ID)
    assert batch["amount"][0] == first.TX_AMOUNT
    assert batch["number"][0, facts["numbers"].index("amount")] == np.float32(first.TX_AMOUNT)
    assert batch["label"][0] == first.TX_FRAUD
    assert batch["time"][0] == np.datetime64(first.TX_DATETIME, "s")
    assert batch["time"][0].astype("datetime64[D]").astype(int) == batch["day"][0]


def test_the_splits_are_apart_and_described(path, cache):
    data = dataset(path).load(seed=0, cache=cache)

    ids = {name: set(everything(split)["id"]) for name, split in data.splits.items()}
    assert not ids["train"] & ids["test"]
    assert not ids["train"] & ids["validation"]
    assert data.info.counts == {name: len(each) for name, each in ids.items()}
    assert sum(data.info.classes["test"].values()) == data.info.counts["test"]
    assert data.info.facts["periods"]["test"] == ["2018-05-04", "2018-05-10"]


def test_equal_data_have_equal_fingerprints_and_others_do_not(path, cache, tmp_path, transactions):
    def fingerprint(file: Path, **settings) -> str:
        return dataset(file, **settings).load(seed=0, cache=cache).info.fingerprint

    copy = tmp_path / "copy.parquet"
    copy.write_bytes(path.read_bytes())
    transactions.loc[0, "TX_AMOUNT"] += 1
    transactions.to_parquet(tmp_path / "other.parquet")

    assert fingerprint(path) == fingerprint(copy)
    assert fingerprint(path) != fingerprint(tmp_path / "other.parquet")
    assert fingerprint(path) != fingerprint(path, delay_days=3)


def test_features_are_computed_once(path, cache):
    dataset(path).load(seed=0, cache=cache)
    files = {file: file.stat().st_mtime_ns for file in cache.rglob("*.parquet")}

    dataset(path, test_days=5).load(seed=0, cache=cache)

    assert {file: file.stat().st_mtime_ns for file in cache.rglob("*.parquet")} == files


def test_hidden_labels_neither_train_nor_count_but_test(path, cache):
    whole = dataset(path).load(seed=0, cache=cache)
    few = dataset(path, label_share=0.2).load(seed=0, cache=cache)

    names = few.info.facts["numbers"]
    known = names.index("terminal_frauds_30d")
    assert len(few.splits["train"]) == pytest.approx(0.2 * len(whole.splits["train"]), rel=0.2)
    assert len(few.splits["test"]) == len(whole.splits["test"])
    sums = [everything(data.splits["test"])["number"][:, known].sum() for data in (few, whole)]
    assert sums[0] == pytest.approx(0.2 * sums[1], rel=0.3)
    activity = names.index("card_count_7d")
    rows = [everything(data.splits["test"])["number"][:, activity] for data in (few, whole)]
    assert np.array_equal(*rows)


def test_settings_come_before_the_schema_file_and_that_before_guessing(tmp_path, cache):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "booked": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(2000) // 2, "h"),
            "amount": rng.random(2000),
            "euros": rng.random(2000),
            "who": rng.integers(0, 1000, 2000),
            "bad": rng.random(2000) < 0.1,
        }
    )
    (tmp_path / "data").mkdir()
    frame.to_csv(tmp_path / "data" / "a.csv", index=False)
    schema = tmp_path / "data" / "schema.toml"
    schema.write_text('entities = ["who"]\nlabel = "bad"\namount = "euros"\n')

    read = dataset(tmp_path / "data").load(seed=0, cache=cache).info.facts["schema"]
    said = dataset(tmp_path / "data", amount="amount").load(seed=0, cache=cache)

    assert (read["time"], read["entities"], read["amount"]) == ("booked", ["who"], "euros")
    assert said.info.facts["schema"]["amount"] == "amount"


def test_errors_stop_loading(cache, tmp_path, transactions):
    transactions.drop(columns="TX_FRAUD").to_csv(tmp_path / "unlabelled.csv", index=False)
    transactions[:0].to_csv(tmp_path / "bare.csv", index=False)
    transactions.loc[7, "TX_FRAUD"] = 9
    transactions.to_parquet(tmp_path / "bad.parquet")

    for name, words in {
        "nowhere.csv": "does not exist",
        "unlabelled.csv": "says what is fraud",
        "bare.csv": "holds no transaction",
        "bad.parquet": "row 8: TX_FRAUD is '9'",
    }.items():
        with pytest.raises(DataError, match=words):
            dataset(tmp_path / name).load(seed=0, cache=cache)
    with pytest.raises(DataError, match="No data are given"):
        Transactions().load(seed=0, cache=cache)


def test_a_card_is_not_needed(tmp_path, cache, transactions):
    transactions[["TX_DATETIME", "TX_AMOUNT", "TX_FRAUD"]].to_csv(tmp_path / "a.csv", index=False)

    data = dataset(tmp_path / "a.csv").load(seed=0, cache=cache)

    assert data.info.facts["numbers"] == ["amount", "hour_sin", "hour_cos", "weekend", "night"]


def test_a_table_without_times_is_split_at_random(tmp_path, cache, transactions):
    transactions[["CHANNEL", "TX_AMOUNT", "TX_FRAUD"]].to_csv(tmp_path / "a.csv", index=False)

    data = dataset(tmp_path / "a.csv").load(seed=0, cache=cache)

    assert data.info.facts["numbers"] == ["amount"]
    assert "no-time" in {finding.code for finding in data.findings}


# Reading new files


def test_new_files_are_read_as_the_training_files_were(path, cache, tmp_path, transactions):
    data = dataset(path).load(seed=0, cache=cache)
    settled = dataset(path).settled(data.info)
    new = transactions.tail(20).drop(columns="TX_FRAUD").assign(surprise=1.5, TIME_2=range(20))
    new.to_csv(tmp_path / "new.csv", index=False)

    examples, findings = settled.read(str(tmp_path / "new.csv"), cache=cache)

    batch = everything(examples)
    assert batch["id"].tolist() == new.TRANSACTION_ID.astype(str).tolist()
    assert batch["number"].shape == (20, len(data.info.facts["numbers"]))
    assert "label" not in batch
    assert [finding.code for finding in findings] == ["no-history"]


def test_with_its_history_a_new_file_has_the_features_it_had_in_training(
    path, cache, tmp_path, transactions
):
    data = dataset(path).load(seed=0, cache=cache)
    cut = len(transactions) - 50
    transactions[cut:].to_parquet(tmp_path / "new.parquet")
    transactions[: cut + 10].to_parquet(tmp_path / "old.parquet")  # Ten are in both.
    settled = dataset(path, history=str(tmp_path / "old.parquet")).settled(data.info)

    examples, findings = settled.read(str(tmp_path / "new.parquet"), cache=cache)

    assert findings == []
    batch, test = everything(examples), everything(data.splits["test"])
    both = np.isin(test["id"], batch["id"])
    assert both.sum() == 50
    np.testing.assert_array_equal(batch["number"], test["number"][both])
    np.testing.assert_array_equal(batch["label"], test["label"][both])


def test_bad_rows_of_a_new_file_are_named_and_the_others_read(path, cache, tmp_path, transactions):
    settled = dataset(path).settled(dataset(path).load(seed=0, cache=cache).info)
    new = transactions.tail(5).astype({"TX_AMOUNT": object})
    new.iloc[2, new.columns.get_loc("TX_AMOUNT")] = "?"
    new.to_csv(tmp_path / "new.csv", index=False)

    examples, findings = settled.read(str(tmp_path / "new.csv"), cache=cache)

    assert len(examples) == 4
    assert findings[0].where == f"{tmp_path / 'new.csv'}, line 4"


def test_a_new_file_must_have_the_columns_of_training(path, cache, tmp_path, transactions):
    settled = dataset(path).settled(dataset(path).load(seed=0, cache=cache).info)
    transactions.drop(columns=["CHANNEL", "TX_AMOUNT"]).to_csv(tmp_path / "new.csv", index=False)

    with pytest.raises(DataError, match="no column 'TX_AMOUNT', 'CHANNEL'"):
        settled.read(str(tmp_path / "new.csv"), cache=cache)


def test_examples_bring_the_history_of_their_card_along(path, cache):
    data = dataset(path, history_length=3).load(seed=0, cache=cache)

    batch = everything(data.splits["test"])

    width = len(data.info.facts["numbers"])
    assert batch["history"].shape == (len(batch["label"]), 3, width)
    assert (batch["age"][np.isfinite(batch["age"])] > 0).all()


def test_the_history_of_a_card_may_lie_in_earlier_files(path, cache, tmp_path, transactions):
    data = dataset(path, history_length=3).load(seed=0, cache=cache)
    cut = len(transactions) - 50
    transactions[cut:].to_parquet(tmp_path / "new.parquet")
    transactions[:cut].to_parquet(tmp_path / "old.parquet")
    settled = dataset(path, history_length=3, history=str(tmp_path / "old.parquet"))

    examples, _ = settled.settled(data.info).read(str(tmp_path / "new.parquet"), cache=cache)

    batch, test = everything(examples), everything(data.splits["test"])
    both = np.isin(test["id"], batch["id"])
    np.testing.assert_array_equal(batch["history"], test["history"][both])


# The simulator


def test_the_simulator_needs_no_files(cache):
    simulator = Simulator(cards=300, terminals=600)

    data = simulator.load(seed=0, cache=cache)

    assert data.info.source == "generator"
    assert min(data.info.counts.values()) > 500
    assert not [each for each in data.findings if each.level != "note"]
    other = simulator.load(seed=1, cache=cache)
    assert other.info.fingerprint != data.info.fingerprint


def test_another_portfolio_has_other_categories(cache):
    simulator = Simulator(cards=200, terminals=400, days=40, further_columns=True)

    assert simulator.load(seed=0, cache=cache).info.facts["categories"] == ["CHANNEL", "COUNTRY"]
