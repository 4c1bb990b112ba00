"""Losses of classes, findings, masks, holes and views, of one or several members."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

import zoo

_NEVER = 1e9
"""What is taken from the score of a view for itself."""
_SMOOTH = 1.0
"""Pixels that Dice adds to both sides, so that it is defined where a class does not occur."""


class MemberCrossEntropy(keras.losses.Loss):
    """Mean cross-entropy of an ensemble's members, each of which learns on its own.

    Targets float [batch, classes], logits [batch, members * classes].

    Args:
        exclusive: whether one class is true each time; else each may be, as findings are.
        smoothing: share of a target that is given to all classes (arXiv:1512.00567).
    """

    def __init__(self, *, exclusive: bool = True, smoothing: float = 0.0) -> None:
        super().__init__(name="cross_entropy")
        self.exclusive, self.smoothing = exclusive, smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        classes = y_true.shape[-1]
        logits = ops.cast(
            ops.reshape(y_pred, (-1, y_pred.shape[-1] // classes, classes)), "float32"
        )
        target = ops.cast(y_true, "float32")[:, None]
        even = 1 / classes if self.exclusive else 0.5
        target = target + self.smoothing * (even - target)
        if self.exclusive:
            losses = -ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1)
        else:
            losses = ops.mean(ops.softplus(logits) - target * logits, axis=-1)
        return ops.mean(losses, axis=-1)


class DiceCrossEntropy(keras.losses.Loss):
    """Cross-entropy of pixels, and 1 less the soft Dice of each class (arXiv:1809.10486).

    Targets int [batch, *sizes], logits [batch, *sizes, groups * classes]. The first group is
    the network's own result; any others come from coarser features and weigh half as much as
    the one before (deep supervision). The first class is background, which Dice leaves out.

    Args:
        classes: how many, with background.
    """

    def __init__(self, classes: int) -> None:
        super().__init__(name="dice_cross_entropy")
        self.classes = classes

    def call(self, y_true: Any, y_pred: Any) -> Any:
        groups = y_pred.shape[-1] // self.classes
        target = ops.one_hot(ops.cast(y_true, "int32"), self.classes, dtype="float32")
        weights = [0.5**group for group in range(groups)]
        losses = [
            weight * self._of_group(target, ops.cast(logits, "float32"))
            for weight, logits in zip(weights, ops.split(y_pred, groups, axis=-1), strict=True)
        ]
        return sum(losses) / sum(weights)

    def _of_group(self, target: Any, logits: Any) -> Any:
        """Return the loss of each example [batch]."""
        pixels = tuple(range(1, len(logits.shape) - 1))
        logs = ops.log_softmax(logits, axis=-1)
        entropy = -ops.mean(ops.sum(target * logs, axis=-1), axis=pixels)
        found, true = ops.exp(logs)[..., 1:], target[..., 1:]
        both = ops.sum(found * true, axis=pixels)
        either = ops.sum(found, axis=pixels) + ops.sum(true, axis=pixels)
        dice = (2 * both + _SMOOTH) / (either + _SMOOTH)
        return entropy + 1 - ops.mean(dice, axis=-1)


class HoleError(keras.losses.Loss):
    """Mean squared error of pictures whose holes were filled in; what was seen is right anyway.

    Targets and outputs are float [batch, *sizes, channels].
    """

    def __init__(self) -> None:
        super().__init__(name="hole_error")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        error = ops.square(ops.cast(y_pred, "float32") - ops.cast(y_true, "float32"))
        return ops.mean(error, axis=tuple(range(1, len(error.shape))))


class ViewCrossEntropy(keras.losses.Loss):
    """Cross-entropy of which view of the whole batch is the other one of a view's own scan.

    The loss of SimCLR (arXiv:2002.05709). Targets are not used; embeddings are
    float [batch, 2, features] of length 1. The batch is that of all replicas.

    Args:
        temperature: what the cosines of two views are divided by.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__(name="view_cross_entropy")
        self.temperature = temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return zoo.across_replicas(self._of_batch, ops.cast(y_pred, "float32"))

    def _of_batch(self, embeddings: Any) -> Any:
        """Return the loss of each scan, the mean of those of its two views [batch]."""
        one, other = embeddings[:, 0], embeddings[:, 1]
        views = ops.concatenate([one, other], axis=0)
        cosines = ops.matmul(views, ops.transpose(views)) / self.temperature
        itself = ops.eye(2 * ops.shape(one)[0], dtype="float32")
        entropies = ops.logsumexp(cosines - _NEVER * itself, axis=-1)
        own = ops.sum(one * other, axis=-1) / self.temperature
        return ops.mean(ops.reshape(entropies, (2, -1)), axis=0) - own
