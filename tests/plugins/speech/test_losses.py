"""CTC: the probability of a text over all ways to time it, padding and impossible texts aside."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from zoo_speech import losses
from zoo_speech.losses import BLANK, CTC, HidePadding


@pytest.fixture(params=["native", "composed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with both ways to compute the loss."""
    monkeypatch.setattr(losses, "_native", lambda: request.param == "native")


def spelled(path: tuple[int, ...]) -> tuple[int, ...]:
    """Return the text that a path of pieces says: repetitions merged, then blanks left out."""
    merged = [now for before, now in zip((None, *path), path, strict=False) if now != before]
    return tuple(piece for piece in merged if piece != BLANK)


def by_definition(text: tuple[int, ...], logits: np.ndarray) -> float:
    """Return minus the logarithm of the summed probability of all paths that say a text."""
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    frames, classes = logits.shape
    total = sum(
        np.prod([shares[frame, piece] for frame, piece in enumerate(path)])
        for path in product(range(classes), repeat=frames)
        if spelled(path) == text
    )
    return -float(np.log(total))


@pytest.mark.usefixtures("way")
def test_loss_sums_over_all_timings() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    texts = [(1, 2), (3, 3), ()]
    padded = np.array([[1, 2, 0], [3, 3, 0], [0, 0, 0]])

    found = ops.convert_to_numpy(CTC(pieces=2.0).call(padded, logits))

    expected = [by_definition(*each) / 2 for each in zip(texts, logits, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.usefixtures("way")
def test_frames_after_the_end_add_nothing() -> None:
    logits = np.random.default_rng(0).normal(size=(1, 6, 4)).astype(np.float32)
    text = np.array([[1, 3, 2]])
    longer = np.pad(logits, [[0, 0], [0, 5], [0, 0]], constant_values=3.0)

    hidden = HidePadding()(longer, np.arange(11)[None] < 6)

    loss = CTC()
    np.testing.assert_allclose(loss.call(text, hidden), loss.call(text, logits), rtol=1e-5)
    shares = ops.convert_to_numpy(ops.softmax(hidden))
    assert (shares[0, 6:, BLANK] == 1.0).all()


@pytest.mark.usefixtures("way")
def test_text_too_long_for_its_sound_counts_nothing() -> None:
    logits = tf.Variable(np.random.default_rng(0).normal(size=(2, 6, 4)).astype(np.float32))
    mask = np.arange(6) < np.array([[2], [6]])
    texts = np.array([[1, 2, 3], [1, 2, 3]])

    with tf.GradientTape() as tape:
        found = CTC().call(texts, HidePadding()(logits, mask))
    gradient = ops.convert_to_numpy(tape.gradient(found, logits))

    assert found[0] == 0
    assert found[1] > 0
    assert np.isfinite(gradient).all()
    assert not gradient[0].any()
    assert gradient[1].any()


@pytest.mark.usefixtures("way")
def test_a_text_that_seems_impossible_has_a_finite_loss_and_gradient() -> None:
    sure_of_blank = np.where(np.arange(4) == BLANK, 300.0, 0.0) * np.ones((1, 6, 1))
    logits = tf.Variable(sure_of_blank.astype(np.float32))

    with tf.GradientTape() as tape:
        found = CTC().call(np.array([[1, 2]]), logits)

    assert 100 < float(found[0]) < np.inf
    assert np.isfinite(ops.convert_to_numpy(tape.gradient(found, logits))).all()


@pytest.mark.usefixtures("way")
def test_a_diverged_network_is_not_taken_for_silence() -> None:
    found = ops.convert_to_numpy(CTC().call(np.array([[1, 2]]), np.full((1, 6, 4), np.nan)))
    assert not np.isfinite(found).any()


def test_both_ways_have_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    logits = tf.Variable(rng.normal(size=(4, 12, 7)).astype(np.float32))
    texts = np.array([[1, 2, 2, 0], [5, 0, 0, 0], [6, 5, 4, 3], [1, 1, 1, 1]])
    gradients = []
    for native in (True, False):
        monkeypatch.setattr(losses, "_native", lambda native=native: native)
        with tf.GradientTape() as tape:
            loss = CTC(pieces=3.0)(texts, logits, sample_weight=np.array([1.0, 0.5, 2.0, 0.0]))
        gradients.append(tape.gradient(loss, logits).numpy())
    np.testing.assert_allclose(*gradients, atol=1e-5)
