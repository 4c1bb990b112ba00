"""Spectrograms within the model: values of librosa, whatever the padding."""

from __future__ import annotations

from pathlib import Path

import keras
import librosa
import numpy as np
import pytest
from keras import ops
from zoo_speech.frontend import MFCC, FrameMask, LogMel, NormaliseUtterance, SpecAugment, frames_of


def sounds(samples: int = 8000) -> np.ndarray:
    """A voiced, a noisy and an almost silent sound, float32 [3, samples]."""
    rng, seconds = np.random.default_rng(0), np.arange(samples) / 8000
    voiced = sum(np.sin(2 * np.pi * 130 * n * seconds) / n for n in range(1, 20))
    noise = rng.normal(size=(2, samples)) * [[0.1], [1e-4]]
    return np.stack([0.2 * voiced, *noise]).astype(np.float32)


@pytest.mark.parametrize(
    ("rate", "window", "hop", "bands"), [(8000, 200, 80, 40), (16000, 400, 160, 80)]
)
def test_log_mel_and_mfcc_are_those_of_librosa(
    rate: int, window: int, hop: int, bands: int
) -> None:
    for sound in sounds(rate // 2 + 37):
        mel = librosa.feature.melspectrogram(
            y=sound,
            sr=rate,
            n_fft=window,
            hop_length=hop,
            n_mels=bands,
            center=True,
            pad_mode="constant",
        )
        log_mel = np.log(mel + 1e-6)
        common = {"bands": bands, "window": window, "hop": hop}

        ours = ops.convert_to_numpy(LogMel(rate, **common)(sound[None]))[0]
        cepstrum = ops.convert_to_numpy(MFCC(rate, coefficients=13, **common)(sound[None]))[0]

        assert len(ours) == frames_of(len(sound), hop)
        np.testing.assert_allclose(ours, log_mel.T[: len(ours)], atol=1e-4)
        theirs = librosa.feature.mfcc(S=log_mel, n_mfcc=13).T
        np.testing.assert_allclose(cepstrum, theirs[: len(ours)], atol=1e-4)


def test_frames_do_not_depend_on_padding() -> None:
    layer, sound = LogMel(8000, window=200, hop=80), sounds(1000)
    padded = np.pad(sound, [[0, 0], [0, 777]])

    alone, among = (ops.convert_to_numpy(layer(each)) for each in (sound, padded))

    np.testing.assert_allclose(among[:, : alone.shape[1]], alone, atol=1e-5)


def test_mask_counts_frames_that_begin_within_the_recording() -> None:
    mask = FrameMask(80)(np.zeros((4, 5, 3)), np.array([1, 80, 81, 400]))
    assert ops.convert_to_numpy(mask).sum(axis=1).tolist() == [1, 1, 2, 5]


def test_utterances_are_normalised_without_their_padding() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(2, 50, 4)) * [1, 2, 3, 4] + 7).astype(np.float32)
    mask = np.arange(50) < np.array([[50], [20]])

    found = ops.convert_to_numpy(NormaliseUtterance()(x, mask))

    for row, count in ((0, 50), (1, 20)):
        np.testing.assert_allclose(found[row, :count].mean(axis=0), 0.0, atol=1e-5)
        np.testing.assert_allclose(found[row, :count].std(axis=0), 1.0, atol=0.01)
    assert not found[1, 20:].any()


def test_gain_makes_no_difference_after_normalisation() -> None:
    sound, mask = sounds()[1:2], np.ones((1, 100), bool)
    features = LogMel(8000, window=200, hop=80, floor=1e-12)

    soft, loud = (
        ops.convert_to_numpy(NormaliseUtterance()(features(gain * sound), mask))
        for gain in (0.1, 1.0)
    )

    np.testing.assert_allclose(soft, loud, atol=0.02)


def test_masks_hide_in_training_alone() -> None:
    x, mask = np.ones((8, 60, 40), np.float32), np.arange(60) < np.full((8, 1), 30)
    layer = SpecAugment(band_masks=1, band_share=0.2, time_masks=1, time_share=0.5, seed=1)

    np.testing.assert_array_equal(layer(x, mask, training=False), x)
    found = ops.convert_to_numpy(layer(x, mask, training=True))

    hidden_bands, hidden_frames = (found == 0).all(axis=1), (found == 0).all(axis=2)
    assert hidden_bands.any()
    assert hidden_bands.sum(axis=1).max() <= 9
    assert hidden_frames[:, :30].any()
    assert hidden_frames.sum(axis=1).max() <= 16
    assert not hidden_frames[:, 30:].any()
    assert len({tuple(each) for each in hidden_frames}) > 1
    assert (found != ops.convert_to_numpy(layer(x, mask, training=True))).any()


def test_warp_moves_bands_up_or_down() -> None:
    x = np.zeros((16, 5, 40), np.float32)
    x[:, :, 20] = 1.0
    layer = SpecAugment(band_masks=0, time_masks=0, warp=0.2, seed=1)

    found = ops.convert_to_numpy(layer(x, np.ones((16, 5), bool), training=True))

    peaks = found[:, 0].argmax(axis=1)
    assert peaks.min() < 20 < peaks.max()
    assert set(range(16, 26)) >= set(peaks.tolist())


def test_frontend_is_saved_with_its_settings(tmp_path: Path) -> None:
    sound = keras.Input((None,), name="sound")
    layer = MFCC(8000, coefficients=9, bands=30, window=240, hop=100)
    model = keras.Model(sound, layer(sound))
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    np.testing.assert_array_equal(loaded(sounds()), model(sounds()))
