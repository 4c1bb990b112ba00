"""Training by tokens on the smallest network: resumption, and pairs that do not train."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_runs import FailAt, interrupted, same, weights
from zoo_translation.generator.dataset import Numbers
from zoo_translation.task import Translate

import zoo

SETTINGS = {
    "data.count": 200,
    "evaluation.samples": 10,
    "model.width": 16,
    "task.beams": 1,
    "task.pieces": 400,
    "train.batch_tokens": 1024,
    "train.checkpoint_seconds": 0,
    "train.stages": [{"steps": 14}],
    "train.validate_every": 100,
}


def test_killed_within_a_pass_over_batches_by_tokens_and_resumed_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    whole = zoo.train("translation/gru", runs=tmp_path / "whole", settings=SETTINGS)
    path = interrupted("translation/gru", tmp_path / "killed", SETTINGS, FailAt(0, 5))
    resumed = zoo.resume(path)

    stage, epoch = (event for event in resumed.events() if event["event"] in ("stage", "epoch"))
    assert "padding" in stage  # so batches are of examples of alike size
    assert 5 < epoch["step"] / epoch["epoch"] < 14  # killed in the first pass, ended in another
    assert same(weights(whole), weights(resumed))


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
