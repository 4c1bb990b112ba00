from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from zoo_fraud.splits import Labelled, SplitSettings, split

from zoo import ConfigError, DataError

FIRST = 17_622  # 1 April 2018


def transactions(days: int = 60, a_day: int = 40, cards: int = 2_000, seed: int = 0) -> Labelled:
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(FIRST, FIRST + days), a_day)
    label = (rng.random(len(day)) < 0.1).astype(np.int8)
    return Labelled(day, rng.integers(0, cards, len(day)), label, label)


def days_of(data: Labelled, rows: np.ndarray) -> list[int]:
    return [int(data.day[rows].min()) - FIRST, int(data.day[rows].max()) - FIRST]


def test_by_default_the_last_week_tests_and_a_gap_lies_before_it():
    data = transactions()

    found = split(SplitSettings(drop_known_cards=False), data, seed=0)

    assert days_of(data, found.rows["test"]) == [53, 59]
    assert days_of(data, found.rows["validation"]) == [39, 45]
    assert days_of(data, found.rows["train"]) == [0, 38]


def test_dates_say_which_days():
    data = transactions(136, cards=2000)
    settings = SplitSettings(
        train_start="2018-07-25",
        train_end="2018-07-31",
        test_start="2018-08-08",
        test_end="2018-08-14",
        validation="earlier",
    )

    found = split(settings, data, seed=0)

    assert {name: period.dates() for name, period in found.periods.items()} == {
        "train": ["2018-07-25", "2018-07-31"],
        "validation": ["2018-07-11", "2018-07-17"],
        "test": ["2018-08-08", "2018-08-14"],
    }


def test_numbers_of_days_count_back_from_the_end():
    data = transactions()
    settings = SplitSettings(train_days=10, validation_days=3, test_days=5, drop_known_cards=False)

    found = split(settings, data, seed=0)

    assert days_of(data, found.rows["test"]) == [55, 59]
    assert days_of(data, found.rows["validation"]) == [45, 47]
    assert days_of(data, found.rows["train"]) == [38, 44]


def handbook_test_set(data: Labelled, start: int, length: int, delay: int, days: int) -> set[int]:
    """The Handbook's `get_train_test_set`, as its text describes it."""
    period = (data.day >= start) & (data.day < start + length)
    known = set(data.card[period & (data.label == 1)])
    rows = []
    for number in range(days):
        newly_known = data.day == start + length + number - 1
        known |= set(data.card[newly_known & (data.label == 1)])
        test_day = np.flatnonzero(data.day == start + length + delay + number)
        rows += [row for row in test_day if data.card[row] not in known]
    return set(rows)


@pytest.mark.parametrize("seed", range(5))
def test_known_cards_are_dropped_as_in_the_handbook(seed):
    data = transactions(cards=400, seed=seed)
    start = date(2018, 4, 1) + timedelta(days=20)
    settings = SplitSettings(
        train_start=str(start), train_days=7, train_end=str(start + timedelta(days=6)),
        test_start=str(start + timedelta(days=14)), test_end=str(start + timedelta(days=20)),
        validation="random",
    )  # fmt: skip

    found = split(settings, data, seed=0)

    assert set(found.rows["test"]) == handbook_test_set(data, FIRST + 20, 7, 7, 7)


def with_frauds(*extra: int) -> tuple[Labelled, int]:
    """Return transactions and the place of one, of card 9999 on day 58, that tests.

    Args:
        extra: days of further frauds on that card.
    """
    data = transactions()
    day = np.concatenate([data.day, [FIRST + 58], [FIRST + each for each in extra]])
    card = np.concatenate([data.card, np.full(1 + len(extra), 9999)])
    label = np.concatenate([data.label, [0], np.ones(len(extra), np.int8)])
    order = np.argsort(day, kind="stable")
    place = int(np.flatnonzero(order == len(data.day))[0])
    return Labelled(day[order], card[order], label[order], label[order]), place


@pytest.mark.parametrize(
    ("fraud_day", "is_tested"),
    [
        (38, True),  # Long ago: the card was replaced.
        (39, False),  # In the last week with labels, which ends with day 45.
        (45, False),
        (50, False),  # Eight days before.
        (51, True),  # Seven days before, which is not known yet.
        (57, True),
    ],
)
def test_a_card_is_tested_unless_a_fraud_on_it_is_known(fraud_day, is_tested):
    data, place = with_frauds(fraud_day)

    found = split(SplitSettings(), data, seed=0)

    assert (place in found.rows["test"]) == is_tested
    kept = split(SplitSettings(drop_known_cards=False), data, seed=0)
    assert place in kept.rows["test"]


def test_validation_on_cards_shares_none_with_training():
    data = transactions()

    found = split(SplitSettings(validation="cards"), data, seed=0)

    cards = {name: set(data.card[rows]) for name, rows in found.rows.items()}
    assert not cards["train"] & cards["validation"]


def test_a_random_validation_is_stratified_and_depends_on_the_seed():
    data = transactions(cards=10_000)
    settings = SplitSettings(validation="random", validation_share=0.25, drop_known_cards=False)

    one, same, other = (split(settings, data, seed=seed).rows for seed in (1, 1, 2))

    share = {name: data.label[one[name]].mean() for name in ("train", "validation")}
    assert share["train"] == pytest.approx(share["validation"], rel=0.02)
    assert len(one["validation"]) == pytest.approx(len(one["train"]) / 3, rel=0.01)
    assert np.array_equal(one["validation"], same["validation"])
    assert not np.array_equal(one["validation"], other["validation"])


def test_labels_that_are_not_known_do_not_train_but_test():
    data = transactions()
    hidden = np.where(np.arange(len(data.day)) % 2, data.label, -1)

    found = split(SplitSettings(), data._replace(known=hidden), seed=0).rows

    assert (found["train"] % 2 == 1).all()
    assert (found["test"] % 2 == 0).any()


def test_rows_without_a_label_are_in_no_split():
    data = transactions()
    label = data.label.copy()
    label[::3] = -1

    found = split(SplitSettings(), data._replace(label=label, known=label), seed=0).rows

    assert all((label[rows] >= 0).all() for rows in found.values())


def test_too_few_days_are_split_in_order_with_a_warning():
    data = transactions(days=5)

    found = split(SplitSettings(), data, seed=0)

    ends = [rows.max() for rows in found.rows.values()]
    assert ends == sorted(ends)
    assert found.findings[0].code == "short-period"


def test_without_times_cards_are_split_at_random_with_a_warning():
    data = transactions(days=1, a_day=2000, cards=500)

    found = split(SplitSettings(), data, seed=0, with_time=False)

    cards = [set(data.card[rows]) for rows in found.rows.values()]
    assert not cards[0] & cards[1] | cards[0] & cards[2] | cards[1] & cards[2]
    assert found.findings[0].code == "no-time"


def test_one_class_only_is_an_error():
    data = transactions()
    none = np.zeros_like(data.label)

    with pytest.raises(DataError, match=r"train split .* has 0 frauds among"):
        split(SplitSettings(), data._replace(label=none, known=none), seed=0)


def test_dates_that_do_not_work_are_refused():
    with pytest.raises(ConfigError, match=r"data\.test_start is '8 August'"):
        split(SplitSettings(test_start="8 August"), transactions(), seed=0)
    with pytest.raises(ConfigError, match=r"Training on .* and testing on"):
        split(SplitSettings(train_end="2018-05-29"), transactions(), seed=0)
