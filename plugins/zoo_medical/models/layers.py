"""What encoders and decoders of pictures and volumes are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

import zoo

register = keras.saving.register_keras_serializable(package="zoo_medical")

Shape = tuple[Any, ...]
"""Sizes of a tensor's axes; None where they vary."""

_TRANSPOSED = {2: keras.layers.Conv2DTranspose, 3: keras.layers.Conv3DTranspose}


@register
class Standardise(keras.layers.Layer):
    """Brings values of 0 to 1 to what a network was trained on: (x - mean) / deviation.

    Mean and deviation are weights that do not train, so that a preset or an earlier run
    brings its own. Computed in float32, whatever follows. Grey scans are repeated where more
    channels are wanted.

    Args:
        mean: of each channel that comes out.
        deviation: of each.
    """

    def __init__(self, mean: Sequence[float], deviation: Sequence[float], **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self._start = {
            "mean": [float(each) for each in mean],
            "deviation": [float(each) for each in deviation],
        }

    def build(self, input_shape: Shape) -> None:
        self.mean, self.deviation = (
            self.add_weight(
                shape=(len(value),),
                initializer=_Constants(value),
                trainable=False,
                name=name,
            )
            for name, value in self._start.items()
        )

    def call(self, scans: Any) -> Any:
        return (scans - self.mean) / self.deviation

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], len(self._start["mean"]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._start}


class _Constants(keras.initializers.Initializer):
    """Starts a vector from given numbers."""

    def __init__(self, values: Sequence[float]) -> None:
        self.values = values

    def __call__(self, shape: Shape, dtype: Any = None) -> Any:
        return ops.convert_to_tensor(self.values, dtype)


@register
class VolumeConvolution(keras.layers.Conv3D):
    """A convolution of volumes, in float32 where a side of them is smaller than the kernel.

    There TensorFlow's oneDNN writes past its arrays on CPUs in bfloat16: with three by three by
    three, the kernel's gradient is garbage at a depth of 2, and with strides at a width of 1.
    Such features are small, so float32 costs little; larger ones are faster in bfloat16.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        pairs = zip(inputs.shape[1:-1], self.kernel_size, strict=True)
        if not any(side is not None and side < reach for side, reach in pairs):
            return super().convolution_op(inputs, kernel)
        found = super().convolution_op(ops.cast(inputs, "float32"), ops.cast(kernel, "float32"))
        return ops.cast(found, inputs.dtype)


_CONVOLUTIONS = {2: keras.layers.Conv2D, 3: VolumeConvolution}


@register
class ConvolutionUnit(keras.layers.Layer):
    """A convolution, a normalisation, and perhaps an activation.

    Args:
        channels: of the output.
        kernel: its size along each axis.
        strides: along each axis.
        dimensions: 2 for pictures [batch, height, width, channels], 3 for volumes with a depth.
        activation: after the normalisation; None for none.
    """

    def __init__(
        self,
        channels: int,
        kernel: int = 3,
        strides: int = 1,
        *,
        dimensions: int = 2,
        activation: str | None = "relu",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._settings: dict[str, Any] = {
            "channels": channels,
            "kernel": kernel,
            "strides": strides,
            "dimensions": dimensions,
            "activation": activation,
        }
        self.convolution = _CONVOLUTIONS[dimensions](
            channels,
            kernel,
            strides,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name="convolution",
        )
        self.normalisation = zoo.FusedBatchNormalization(
            momentum=0.9, epsilon=1e-3, name="normalisation"
        )
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Shape) -> None:
        self.convolution.build(input_shape)
        self.normalisation.build(self.convolution.compute_output_shape(input_shape))

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.activation(self.normalisation(self.convolution(x), training=training))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.convolution.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


@register
class ResidualBlock(keras.layers.Layer):
    """Two convolutions, whose result is added to what they were given (arXiv:1512.03385).

    Args:
        channels: of the output.
        strides: of the first convolution, along each axis.
        dimensions: 2 or 3.
        drop: probability, in training, that an example skips the convolutions
            (arXiv:1603.09382).
    """

    def __init__(
        self,
        channels: int,
        strides: int = 1,
        *,
        dimensions: int = 2,
        drop: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._settings = {
            "channels": channels,
            "strides": strides,
            "dimensions": dimensions,
            "drop": drop,
        }
        unit: dict[str, Any] = {"dimensions": dimensions, "activation": None}
        self.first = ConvolutionUnit(channels, strides=strides, dimensions=dimensions, name="first")
        self.second = ConvolutionUnit(channels, name="second", **unit)
        self.drop = keras.layers.Dropout(
            drop, noise_shape=(None, *[1] * (dimensions + 1)), name="drop"
        )
        self.shortcut: ConvolutionUnit | None = None
        self._new_shortcut = lambda: ConvolutionUnit(
            channels, kernel=1, strides=strides, name="shortcut", **unit
        )

    def build(self, input_shape: Shape) -> None:
        if input_shape[-1] != self._settings["channels"] or self._settings["strides"] != 1:
            self.shortcut = self._new_shortcut()
            self.shortcut.build(input_shape)
        self.first.build(input_shape)
        self.second.build(self.first.compute_output_shape(input_shape))

    def call(self, x: Any, training: bool | None = None) -> Any:
        y = self.second(self.first(x, training=training), training=training)
        if self.shortcut is not None:
            x = self.shortcut(x, training=training)
        return ops.relu(x + self.drop(y, training=training))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.first.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


@register
class Enlarge(keras.layers.Layer):
    """Doubles each side by a transposed convolution, and puts the features beside others.

    Called with coarse features and the finer ones that they join.

    Args:
        channels: of what is enlarged.
        dimensions: 2 or 3.
    """

    def __init__(self, channels: int, *, dimensions: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self._settings = {"channels": channels, "dimensions": dimensions}
        self.enlarge = _TRANSPOSED[dimensions](channels, 2, 2, padding="same", name="enlarge")

    def build(self, coarse_shape: Shape, fine_shape: Shape) -> None:
        self.enlarge.build(coarse_shape)

    def call(self, coarse: Any, fine: Any) -> Any:
        return ops.concatenate([self.enlarge(coarse), fine], axis=-1)

    def compute_output_shape(self, coarse_shape: Shape, fine_shape: Shape) -> Shape:
        return (*fine_shape[:-1], fine_shape[-1] + self._settings["channels"])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


def convolution(dimensions: int, channels: int, kernel: int, **options: Any) -> keras.Layer:
    """Return a plain convolution of pictures (2) or volumes (3)."""
    return _CONVOLUTIONS[dimensions](channels, kernel, padding="same", **options)
