"""What a network has to beat: cepstral coefficients and a classical classifier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.spatial import KDTree
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import zoo
from zoo_speech.audio.recording import Sound
from zoo_speech.frontend import MFCC
from zoo_speech.text import TextForm

CLASSICAL = "Cepstral coefficients and logistic regression"

_COEFFICIENTS = 13
_PARTS = 4
"""Parts of a recording whose means are told apart."""
_MOST = 2000
"""Most training recordings that are listened to; of more, that many at even distances."""
_SECONDS = 20
"""What is heard of a recording at most."""


def cepstral(classes: Sequence[str]) -> zoo.Baseline:
    """Return logistic regression on the cepstral coefficients of recordings.

    Args:
        classes: names of the classes, in the order of the model's outputs.
    """
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    baseline = zoo.classical_baseline(regression, cepstral_statistics, classes)
    return lambda train, test: baseline(_fewer(train), test)


def most_frequent_text(train: zoo.Batch, test: zoo.Batch, form: TextForm) -> zoo.Batch:
    """Write what training recordings say most often, whatever is said."""
    texts = Counter(map(form.normalised, train["text"]))
    text = max(sorted(texts), key=texts.__getitem__)
    return {"text": zoo.object_column([text] * len(test["length"]))}


def nearest_text(train: zoo.Batch, test: zoo.Batch, form: TextForm) -> zoo.Batch:
    """Write what the most alike training recording says, by its cepstral coefficients."""
    train = _fewer(train)
    scaler = StandardScaler()
    known = KDTree(scaler.fit_transform(cepstral_statistics(train)))
    _, found = known.query(scaler.transform(cepstral_statistics(test)))
    texts = zoo.object_column(map(form.normalised, train["text"]))
    return {"text": texts[found]}


def cepstral_statistics(batch: zoo.Batch) -> np.ndarray:
    """Return what recordings sound like, float64 [batch, features].

    For each coefficient its mean in each part of the recording, and its deviation and mean
    change over the whole; and the length.
    """
    return np.array([_statistics(recording) for recording in batch["recording"]])


def _statistics(recording: Sound) -> np.ndarray:
    rate = recording.rate
    sound = recording.read(0, _SECONDS * rate)
    layer = MFCC(rate, coefficients=_COEFFICIENTS, window=rate // 40, hop=rate // 100)
    frames = np.asarray(layer(sound[None]), np.float64)[0]
    parts = [part.mean(axis=0) for part in np.array_split(frames, _PARTS) if len(part)]
    parts += [frames.mean(axis=0)] * (_PARTS - len(parts))
    change = np.abs(np.diff(frames, axis=0)).sum(axis=0) / max(len(frames) - 1, 1)
    return np.concatenate([*parts, frames.std(axis=0), change, [np.log(len(frames))]])


def _fewer(batch: zoo.Batch) -> zoo.Batch:
    step = -(-len(batch["length"]) // _MOST)
    return {name: column[::step] for name, column in batch.items()}
