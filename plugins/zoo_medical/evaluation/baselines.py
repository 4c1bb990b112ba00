"""What networks have to beat: small pictures and a linear classifier, and thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import zoo
from zoo_medical.preprocessing import has_findings, on_canvas, read_all

THUMBNAILS = "Thumbnails and logistic regression"
USUAL_FINDINGS = "Usual shares"

_SIDE = {2: 14, 3: 8}
"""Side of a thumbnail, px, of pictures and volumes."""
_MOST = 2000
"""Most training scans that are looked at; of more, that many at even distances."""


def thumbnails(batch: zoo.Batch) -> np.ndarray:
    """Return scans as small grey ones, float32 [batch, pixels]."""
    return read_all(batch["scan"], thumbnail)


def thumbnail(array: np.ndarray) -> np.ndarray:
    """Return a scan [*sizes, channels] as a small grey one, float32 [pixels]."""
    dimensions = array.ndim - 1
    return on_canvas(array, [_SIDE[dimensions]] * dimensions, 1).ravel()


def linear() -> Pipeline:
    """Return logistic regression on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))


def linear_on_thumbnails(classes: Sequence[str]) -> zoo.Baseline:
    """Return logistic regression on thumbnails.

    Args:
        classes: names of the classes, in the order of the model's outputs.
    """
    baseline = zoo.classical_baseline(linear(), thumbnails, classes)
    return lambda train, test: baseline(fewer(train), test)


def usual_findings(findings: Sequence[str]) -> zoo.Baseline:
    """Return the trivial rule: each finding is as likely as it is often in training.

    Args:
        findings: their names, in the order of the model's outputs.
    """

    def fit_predict(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
        shares = has_findings(train["label"], findings).mean(axis=0)
        return _findings(np.tile(shares, (len(test["scan"]), 1)), findings)

    return fit_predict


def findings_on_thumbnails(findings: Sequence[str]) -> zoo.Baseline:
    """Return a logistic regression on thumbnails for each finding.

    Args:
        findings: their names, in the order of the model's outputs.
    """

    def fit_predict(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
        train = fewer(train)
        there = has_findings(train["label"], findings)
        known, new = thumbnails(train), thumbnails(test)
        probabilities = np.tile(there.mean(axis=0), (len(new), 1))
        for place in np.flatnonzero(there.any(axis=0) & ~there.all(axis=0)):
            regression = linear().fit(known, there[:, place])
            probabilities[:, place] = regression.predict_proba(new)[:, 1]
        return _findings(probabilities, findings)

    return fit_predict


def _findings(probabilities: np.ndarray, findings: Sequence[str]) -> zoo.Batch:
    return {
        "classes": np.broadcast_to(np.array(findings, object), probabilities.shape),
        "probabilities": probabilities,
        "called": probabilities >= 0.5,
    }


def fewer(batch: zoo.Batch) -> zoo.Batch:
    """Return at most some thousands of examples, at even distances."""
    step = -(-len(batch["scan"]) // _MOST)
    return {name: column[::step] for name, column in batch.items()}
