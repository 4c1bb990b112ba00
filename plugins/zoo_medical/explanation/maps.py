"""Maps of which parts of a scan a network told something from, and whether they mean anything.

Grad-CAM (arXiv:1610.02391) weighs the features before the head by what they do for a class.
Occlusion (arXiv:1311.2901) hides one part of the scan after the other, and needs nothing but
the network's outputs. A map that stays the same when the weights are shuffled shows the scan
and not what was learnt (arXiv:1810.03292), so each comes with that comparison.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.special import logsumexp
from scipy.stats import rankdata

import zoo
from zoo_medical.models.scan_model import FEATURES

_CELLS = {2: 7, 3: 4}
"""Parts along each axis that are hidden one by one, of pictures and volumes."""
_AT_ONCE = 64


def explain_classes(
    model: keras.Model, inputs: zoo.Batch, places: np.ndarray, *, exclusive: bool = True
) -> zoo.Batch:
    """Return the maps of a batch as columns of predictions.

    Args:
        model: takes `scan`, and gives logits [batch, members * classes].
        inputs: of the model.
        places: the class, by its place, for which each scan is looked at [batch].
        exclusive: whether classes exclude each other, so that their probabilities sum to 1.

    Returns:
        `gradcam`, float32 [*places of the features] from 0 to 1; `occlusion`, float32 [*cells],
        falls of log-odds; `sanity`, the rank correlation of the first with that of shuffled
        weights, float64; and `seen`, what the network saw, uint8 [*sizes, channels].
    """
    scans = inputs["scan"]
    own, other = gradcam(model, scans, places), gradcam(shuffled(model), scans, places)
    sanity = [_rank_correlation(*pair) for pair in zip(own, other, strict=True)]
    return {
        "gradcam": zoo.object_column(own),
        "occlusion": zoo.object_column(occlusion(model, scans, places, exclusive=exclusive)),
        "sanity": np.array(sanity, np.float64),
        "seen": zoo.object_column((255 * np.clip(scans, 0, 1)).round().astype(np.uint8)),
    }


def gradcam(model: keras.Model, scans: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return how much each place of the features speaks for a class, on average of the members.

    Args:
        model: has layers whose names begin with `features`, and gives logits
            [batch, members * classes].
        scans: float32 [batch, *sizes, channels].
        places: the class, by its place [batch].

    Returns:
        float32 [batch, *places of the features], 0 to 1.
    """
    outputs = [layer.output for layer in model.layers if layer.name.startswith(FEATURES)]
    watched = {output.name: output for output in outputs}
    encoder, head = keras.Model(model.input, watched), keras.Model(watched, model.output)
    pieces = []
    for start in range(0, len(scans), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        features = encoder({"scan": scans[part]})
        gradients = zoo.gradients(partial(_chosen, head, places[part]), features)
        maps = [
            _weighed(ops.convert_to_numpy(each), gradients[name]) for name, each in features.items()
        ]
        pieces.append(np.mean(maps, axis=0))
    return np.concatenate(pieces).astype(np.float32)


def _chosen(head: keras.Model, places: np.ndarray, features: dict[str, Any]) -> Any:
    """Return each member's logit of one class for each scan [batch, members, 1]."""
    by_member = ops.reshape(head(features), (len(places), len(features), -1))
    return ops.take_along_axis(by_member, places[:, None, None], axis=2)


def _weighed(features: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Return the features' sum, each weighed by its mean gradient, as maps from 0 to 1."""
    around = tuple(range(1, features.ndim - 1))
    weights = gradients.mean(axis=around, keepdims=True)
    return _from_0_to_1(np.maximum((weights * features).sum(axis=-1), 0))


def occlusion(
    model: keras.Model, scans: np.ndarray, places: np.ndarray, *, exclusive: bool = True
) -> np.ndarray:
    """Return how far a class's log-odds fall when a part is hidden by the scan's mean.

    Unlike its probability, these fall as much where the network is very sure.

    Args:
        model: gives logits [batch, members * classes].
        scans: float32 [batch, *sizes, channels].
        places: the class, by its place [batch].
        exclusive: whether probabilities of classes sum to 1.

    Returns:
        float32 [batch, *cells], 0 or more; 2.3 makes the odds ten times worse.
    """
    dimensions = scans.ndim - 2
    cells = [min(_CELLS[dimensions], size) for size in scans.shape[1:-1]]
    edges = [
        np.linspace(0, size, count + 1).round().astype(int)
        for size, count in zip(scans.shape[1:-1], cells, strict=True)
    ]
    mean = scans.mean(axis=tuple(range(1, scans.ndim - 1)), keepdims=True)
    whole = _log_odds(model, scans, places, exclusive=exclusive)
    falls = np.zeros((len(scans), *cells), np.float32)
    for cell in np.ndindex(*cells):
        part = tuple(slice(edge[n], edge[n + 1]) for edge, n in zip(edges, cell, strict=True))
        hidden = scans.copy()
        hidden[(slice(None), *part)] = mean
        without = _log_odds(model, hidden, places, exclusive=exclusive)
        falls[(slice(None), *cell)] = np.maximum(whole - without, 0)
    return falls


def _log_odds(
    model: keras.Model, scans: np.ndarray, places: np.ndarray, *, exclusive: bool
) -> np.ndarray:
    """Return the logarithm of the odds of each scan's class, float64 [batch]."""
    logits = np.asarray(model.predict({"scan": scans}, batch_size=_AT_ONCE, verbose=0), np.float64)
    members = sum(layer.name.startswith(FEATURES) for layer in model.layers)
    logits = logits.reshape(len(logits), members, -1).mean(axis=1)
    own = logits[np.arange(len(logits)), places]
    if not exclusive:
        return own
    others = np.arange(logits.shape[1]) != places[:, None]
    return own - logsumexp(logits, axis=1, b=others)


def shuffled(model: keras.Model, seed: int = 0) -> keras.Model:
    """Return a copy of a network whose kernels are shuffled, each within itself.

    So what was learnt is gone, and the scale of the weights is kept.
    """
    copy = type(model).from_config(model.get_config())
    random = np.random.default_rng(seed)
    copy.set_weights(
        [
            random.permutation(weight.ravel()).reshape(weight.shape) if weight.ndim > 1 else weight
            for weight in model.get_weights()
        ]
    )
    return copy


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation of two maps; 0 where one of them is even."""
    ranks = [rankdata(each.ravel()) for each in (one, other)]
    if any(np.ptp(each) == 0 for each in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def _from_0_to_1(maps: np.ndarray) -> np.ndarray:
    """Return maps [batch, ...] divided by their largest value each; even ones become 0."""
    peak = maps.max(axis=tuple(range(1, maps.ndim)), keepdims=True)
    return np.divide(maps, peak, out=np.zeros_like(maps), where=peak > 0)
