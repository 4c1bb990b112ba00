"""The loss of transcription: connectionist temporal classification (CTC)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

BLANK = 0
"""The class that stands for no piece of text, and the filler of targets."""

NEVER = -1e9
"""The logit of a piece where there is no sound."""

_LEAST_LOG = 80.0
"""Logits further below the largest of their frame count as if they were so far below."""


@keras.saving.register_keras_serializable(package="zoo_speech")
class CTC(keras.losses.Loss):
    """Minus the logarithm of the probability of a text, over all ways to time it (Graves, 2006).

    An example's loss is divided by the mean number of pieces of a text in training, so that
    it is the same in whatever batch it comes. A text that is too long to be said in its
    recording has no probability; it counts nothing instead of infinitely much.

    Args:
        pieces: mean number of pieces of a text.
    """

    def __init__(
        self,
        pieces: float = 1.0,
        name: str = "ctc",
        reduction: str = "sum_over_batch_size",
        **options: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **options)
        self.pieces = float(pieces)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each example, float32 [batch].

        Args:
            y_true: pieces [batch, T], BLANK at the end.
            y_pred: logits [batch, frames, classes], as :class:`HidePadding` leaves them: frames
                after the end say BLANK for sure, so they add nothing, whatever their number.
        """
        texts, logits = ops.cast(y_true, "int32"), ops.cast(y_pred, "float32")
        silent = ops.all(logits[..., BLANK + 1 :] <= NEVER / 2, axis=-1)
        frames = ops.sum(1 - ops.cast(silent, "int32"), axis=1)
        losses = ctc_losses(texts, logits, frames)
        return ops.where(_least_frames(texts) <= frames, losses, 0.0) / self.pieces

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pieces": self.pieces}


@keras.saving.register_keras_serializable(package="zoo_speech")
class HidePadding(keras.layers.Layer):
    """Makes the frames after a recording's end say BLANK for sure.

    Called with logits [batch, frames, classes] and a mask [batch, frames]; returns float32.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, logits: Any, mask: Any) -> Any:
        silent = ops.where(ops.arange(logits.shape[-1]) == BLANK, 0.0, NEVER)
        return ops.where(mask[..., None], logits, silent)

    def compute_output_shape(self, logits_shape: Any) -> Any:
        return logits_shape


def ctc_losses(texts: Any, logits: Any, frames: Any) -> Any:
    """Return the CTC loss of each example, float32 [batch].

    Args:
        texts: int32 [batch, T], BLANK at the end.
        logits: float32 [batch, frames, classes].
        frames: how many count of each, int32 [batch].
    """
    if _native():
        return _native_losses(texts, logits, frames)
    length = ops.sum(ops.cast(texts != BLANK, "int32"), axis=1)
    return ops.nn.ctc_loss(texts, logits, length, frames, mask_index=BLANK)


def _least_frames(texts: Any) -> Any:
    """Return how many frames a text takes: one a piece, and a blank between equal ones."""
    there = texts != BLANK
    again = there[:, 1:] & (texts[:, 1:] == texts[:, :-1])
    return sum(ops.sum(ops.cast(each, "int32"), axis=1) for each in (there, again))


def _native() -> bool:
    """Return whether TensorFlow's own operation can be used: on CPUs, where XLA is off."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.list_physical_devices("GPU")


def _native_losses(texts: Any, logits: Any, frames: Any) -> Any:
    """Return the losses by an operation that is several times as fast as a loop over frames."""
    import tensorflow as tf

    # The operation takes no empty text. It is given one piece, and what comes of that not used.
    empty = tf.logical_not(tf.reduce_any(texts != BLANK, axis=1))
    first = tf.where(empty[:, None], BLANK + 1, texts[:, :1])
    texts = tf.concat([first, texts[:, 1:]], axis=1)
    places = tf.where(texts != BLANK)
    # It computes with probabilities, and of one that float32 does not have comes no loss.
    logits = tf.maximum(logits, tf.reduce_max(logits, axis=-1, keepdims=True) - _LEAST_LOG)
    # Its blank is the last class.
    turned = tf.concat([logits[..., 1:], logits[..., :1]], axis=-1)
    losses, _ = tf.raw_ops.CTCLoss(
        inputs=tf.transpose(turned, (1, 0, 2)),
        labels_indices=places,
        labels_values=tf.gather_nd(texts, places) - 1,
        sequence_length=frames,
        preprocess_collapse_repeated=False,
        ctc_merge_repeated=True,
        ignore_longer_outputs_than_inputs=True,
    )
    return tf.where(empty, _losses_of_silence(logits, frames), losses)


def _losses_of_silence(logits: Any, frames: Any) -> Any:
    """Return minus the logarithm of the probability that nothing is said, float32 [batch]."""
    losses = -ops.log_softmax(logits)[..., BLANK]
    there = ops.arange(ops.shape(logits)[1]) < frames[:, None]
    return ops.sum(ops.where(there, losses, 0.0), axis=1)
