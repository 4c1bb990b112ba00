"""The loss of translation: cross-entropy of pieces with smoothed labels."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo_translation.tokeniser import PAD


@keras.saving.register_keras_serializable(package="zoo_translation")
class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy of the true pieces, a share of whose weight goes to all pieces alike.

    Label smoothing as in arXiv:1512.00567. An example's tokens are summed and divided by the
    mean number of tokens an example has in training and not by those of its batch, so that
    its loss is the same in whatever batch or replica it comes. Targets that are PAD count
    nothing.

    A network that reads every example twice, under different dropout, gives both batches of
    logits one after the other. Then cross-entropy is the mean of both, and it is added how
    much the two disagree (R-Drop, arXiv:2106.14448).

    Args:
        smoothing: the share that goes to all pieces, the true one among them.
        tokens: mean number of target tokens of an example.
        agreement: weight of the disagreement, as alpha in the paper.
    """

    def __init__(
        self,
        smoothing: float = 0.1,
        tokens: float = 1.0,
        agreement: float = 0.0,
        name: str = "cross_entropy",
        reduction: str = "sum_over_batch_size",
        **options: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **options)
        self.smoothing, self.tokens = float(smoothing), float(tokens)
        self.agreement = float(agreement)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the reduced loss; arguments as for :meth:`call`."""
        # Keras would hand `call` a float32 copy of the logits, the largest tensor there is.
        losses = self.call(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
        return _Reduction(self.reduction, self.dtype)(losses, losses, sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each example, float32 [batch].

        Args:
            y_true: pieces, [batch, T], PAD at the end.
            y_pred: logits of any type, [batch, T, pieces], or [2 * batch, T, pieces].
        """
        pieces = ops.cast(y_true, "int32")
        batch, length = ops.shape(pieces)
        repeats = ops.shape(y_pred)[0] // batch
        losses = smoothed_cross_entropy(y_pred, ops.tile(pieces, (repeats, 1)), self.smoothing)
        losses = ops.mean(ops.reshape(losses, (repeats, batch, length)), axis=0)
        if self.agreement:
            losses += self.agreement / 2 * disagreement(y_pred[:batch], y_pred[-batch:])
        return ops.sum(ops.where(pieces == PAD, 0.0, losses), axis=1) / self.tokens

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "smoothing": self.smoothing,
            "tokens": self.tokens,
            "agreement": self.agreement,
        }


class _Reduction(keras.losses.Loss):
    """Reduces losses that are known already, with Keras' weights and share of a replica."""

    def __init__(self, reduction: str, dtype: str) -> None:
        super().__init__(reduction=reduction, dtype=dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return y_pred


def smoothed_cross_entropy(logits: Any, pieces: Any, smoothing: float) -> Any:
    """Return the loss of each token, float32 [batch, T].

    The gradient is given by hand, so that of all tensors as large as the logits only their
    probabilities are kept, in the type of the logits.

    Args:
        logits: [batch, T, pieces].
        pieces: the true ones, int32 [batch, T].
        smoothing: the share of the labels' weight that goes to all pieces alike.
    """
    count = logits.shape[-1]

    @ops.custom_gradient
    def compute(logits: Any) -> tuple[Any, Any]:
        probabilities = ops.softmax(logits)
        true = ops.cast(_of_pieces(probabilities, pieces), "float32")
        true_loss = -ops.log(ops.maximum(true, 1e-37))
        # Minus the mean of all log probabilities is the logarithm of their normaliser, which
        # the true piece's logit and probability give, less the mean logit.
        normaliser = ops.cast(_of_pieces(logits, pieces), "float32") + true_loss
        uniform_loss = normaliser - ops.cast(_mean(logits), "float32")

        def gradient(*arguments: Any, upstream: Any = None) -> Any:
            scale = ops.cast(arguments[0] if upstream is None else upstream, logits.dtype)
            uniform = smoothing / count
            of_true = (ops.cast(true, logits.dtype) - (1.0 - smoothing) - uniform) * scale
            others = probabilities * scale[..., None] - (uniform * scale)[..., None]
            return _with_pieces(others, pieces, of_true)

        return (1.0 - smoothing) * true_loss + smoothing * uniform_loss, gradient

    return compute(logits)


@ops.custom_gradient
def disagreement(first: Any, second: Any) -> tuple[Any, Any]:
    """Return the mean Kullback-Leibler divergence of two predictions in both directions.

    The gradient is given by hand, as that of :func:`smoothed_cross_entropy` is.

    Args:
        first: logits [batch, T, pieces].
        second: likewise.

    Returns:
        float32 [batch, T].
    """
    p, q, gap = ops.softmax(first), ops.softmax(second), first - second
    count = first.shape[-1]

    def gradient(*arguments: Any, upstream: Any = None) -> Any:
        scale = ops.cast(arguments[0] if upstream is None else upstream, gap.dtype)[..., None] / 2
        of_first = p - q + p * (gap - count * _mean(p * gap)[..., None])
        of_second = q - p - q * (gap - count * _mean(q * gap)[..., None])
        return of_first * scale, of_second * scale

    # The normalisers of both cancel, as probabilities sum to one.
    return ops.cast(_mean((p - q) * gap), "float32") * count / 2, gradient


def _mean(x: Any) -> Any:
    """Return the mean over the last axis, summed in float32 as products are."""
    count = x.shape[-1]
    return ops.matmul(x, ops.full((count, 1), 1 / count, dtype=x.dtype))[..., 0]


def _of_pieces(x: Any, pieces: Any) -> Any:
    """Return what `x` [batch, T, count] has for pieces int32 [batch, T]."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.gather(x, pieces, batch_dims=2)  # Keras' own would copy all of `x`
    return ops.take_along_axis(x, pieces[..., None], axis=-1)[..., 0]


def _with_pieces(x: Any, pieces: Any, values: Any) -> Any:
    """Return `x` [batch, T, count] with `values` [batch, T] for pieces int32 [batch, T]."""
    shape = ops.shape(x)
    places = ops.stack([ops.arange(shape[0] * shape[1]), ops.reshape(pieces, (-1,))], axis=1)
    flat = ops.reshape(x, (-1, shape[2]))
    return ops.reshape(ops.scatter_update(flat, places, ops.reshape(values, (-1,))), shape)
