"""Pairs that are too long to train."""

from __future__ import annotations

from pathlib import Path

import pytest
from zoo_translation.generator.dataset import Numbers
from zoo_translation.task import Translate

import zoo


def _prepare(tmp_path: Path, longest: int) -> None:
    data = Numbers(count=60).load(seed=0, cache=tmp_path)
    Translate(pieces=320, longest=longest).prepare(data.splits["train"], data.info)


def test_pairs_that_are_too_long_to_train_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _prepare(tmp_path, longest=20)
    (record,) = caplog.records
    assert "of 48 training pairs do not train" in record.message
    assert "task.longest" in record.message


@pytest.mark.parametrize("longest", [0, 10_000])
def test_nothing_is_said_where_all_pairs_train(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, longest: int
) -> None:
    _prepare(tmp_path, longest)
    assert not caplog.records


def test_a_limit_that_leaves_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(zoo.ConfigError, match=r"task\.longest is 1"):
        _prepare(tmp_path, longest=1)
