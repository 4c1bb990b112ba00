"""What encoders are made of, and what turns their states into one vector a recording."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

import zoo

register = keras.saving.register_keras_serializable(package="zoo_speech")

Shape = tuple[Any, ...]
"""Sizes of a tensor's axes; None where they vary."""


class Encoder(keras.layers.Layer):
    """Turns features of frames into states: [batch, frames, bands] to [batch, frames', width].

    Called with features and their mask, bool [batch, frames]. States do not depend on padding,
    so a recording gives the same alone and in any batch. There are
    ceil(frames / subsampling) of them.

    Attributes:
        subsampling: frames for each state.
        width: features of a state.
    """

    subsampling: int
    width: int

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        frames = input_shape[1]
        states = None if frames is None else -(-frames // self.subsampling)
        return (input_shape[0], states, self.width)


@register
class ConvolutionUnit(keras.layers.Layer):
    """A convolution over time and bands, normalised: [batch, frames, bands, channels].

    Padding is the same at both ends whatever the stride, so that where a recording begins
    does not depend on how long its batch is.

    Args:
        channels: of the output.
        kernel: size along time and bands, odd.
        strides: along time and bands.
        dilation: of the kernel along time and bands.
        depthwise: whether each channel is convolved alone.
        activation: after the normalisation.
    """

    def __init__(
        self,
        channels: int,
        kernel: tuple[int, int] = (3, 3),
        strides: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        *,
        depthwise: bool = False,
        activation: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.kernel, self.strides, self.dilation = kernel, tuple(strides), dilation
        self._settings: dict[str, Any] = {
            "channels": channels,
            "kernel": kernel,
            "strides": strides,
            "dilation": dilation,
            "depthwise": depthwise,
            "activation": activation,
        }
        common: dict[str, Any] = {
            "kernel_size": self.kernel,
            "strides": self.strides,
            "padding": "same" if self.strides == (1, 1) else "valid",
            "dilation_rate": self.dilation,
            "use_bias": False,
            "name": "convolution",
        }
        if depthwise:
            self.convolution = keras.layers.DepthwiseConv2D(**common)
        else:
            self.convolution = keras.layers.Conv2D(
                channels, kernel_initializer="he_normal", **common
            )
        self.norm = zoo.FusedBatchNormalization(momentum=0.97, epsilon=1e-3, name="norm")
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Shape) -> None:
        self.convolution.build(input_shape)
        self.norm.build((None, None, None, self._settings["channels"]))

    def call(self, x: Any, training: bool | None = None) -> Any:
        if self.strides != (1, 1):
            time, bands = (
                dilation * (kernel // 2)
                for dilation, kernel in zip(self.dilation, self.kernel, strict=True)
            )
            x = ops.pad(x, [[0, 0], [time, time], [bands, bands], [0, 0]])
        return self.activation(self.norm(self.convolution(x), training=training))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *places, _ = input_shape
        strided = (
            None if size is None else -(-size // stride)
            for size, stride in zip(places, self.strides, strict=True)
        )
        return (batch, *strided, self._settings["channels"])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


@register
class FlattenBands(keras.layers.Layer):
    """Makes one vector of what a frame has in all bands: [batch, frames, bands, channels].

    Args:
        width: of the vector.
    """

    def __init__(self, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.width = width
        self.dense = keras.layers.Dense(width, name="dense")

    def build(self, input_shape: Shape) -> None:
        self._features = input_shape[2] * input_shape[3]
        self.dense.build((None, None, self._features))

    def call(self, x: Any) -> Any:
        shape = ops.shape(x)
        return self.dense(ops.reshape(x, (shape[0], shape[1], self._features)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:2], self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


@register
class StackFrames(keras.layers.Layer):
    """Makes one vector of a few neighbouring frames: [batch, frames, bands].

    Args:
        width: of the vector.
        count: of frames; the last vector's are filled up with zeros.
    """

    def __init__(self, width: int, count: int, **options: Any) -> None:
        super().__init__(**options)
        self.width, self.count = width, count
        self.dense = keras.layers.Dense(width, activation="relu", name="dense")

    def build(self, input_shape: Shape) -> None:
        self.dense.build((None, None, self.count * input_shape[-1]))

    def call(self, x: Any) -> Any:
        batch, frames, _ = ops.shape(x)
        steps = -(-frames // self.count)
        x = ops.pad(x, [[0, 0], [0, steps * self.count - frames], [0, 0]])
        return self.dense(ops.reshape(x, (batch, steps, self.count * x.shape[-1])))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width, "count": self.count}


@register
class AttentiveStatistics(keras.layers.Layer):
    """Mean and deviation of states over time, as attention weighs them (arXiv:1803.10963).

    Called with states [batch, frames, width] and their mask; returns [batch, 2 * width],
    float32.

    Args:
        hidden: units between a state and its scores.
    """

    def __init__(self, hidden: int = 64, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self.hidden = hidden
        self.inner = keras.layers.Dense(hidden, activation="tanh", dtype="float32", name="inner")

    def build(self, states_shape: Shape) -> None:
        # Scores begin equal, so that pooling begins as a plain mean.
        self.scores = keras.layers.Dense(
            states_shape[-1],
            kernel_initializer="zeros",
            use_bias=False,
            dtype="float32",
            name="scores",
        )
        self.inner.build(states_shape)
        self.scores.build((*states_shape[:-1], self.hidden))

    def call(self, states: Any, mask: Any) -> Any:
        scores = ops.where(mask[..., None], self.scores(self.inner(states)), -1e9)
        shares = ops.softmax(scores, axis=1)
        mean = ops.sum(shares * states, axis=1)
        variance = ops.sum(shares * ops.square(states - mean[:, None]), axis=1)
        return ops.concatenate([mean, ops.sqrt(variance + 1e-5)], axis=-1)

    def compute_output_shape(self, states_shape: Shape) -> Shape:
        return (states_shape[0], 2 * states_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "hidden": self.hidden}


def shown(x: Any, mask: Any) -> Any:
    """Return `x` [batch, frames, ...] with 0 where `mask` [batch, frames] is false."""
    mask = ops.reshape(mask, (*ops.shape(mask), *(1 for _ in x.shape[2:])))
    return x * ops.cast(mask, x.dtype)


def subsampled(mask: Any, factor: int) -> Any:
    """Return the mask of every `factor`th frame, which is that of ceil(frames / factor)."""
    return mask[:, ::factor]
