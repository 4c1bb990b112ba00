"""Translation of encoded sentences by any network of the encoder-decoder protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo_translation.decoding.search import beam_search
from zoo_translation.tokeniser import PAD, START

_ROUND = 8  # sources are filled up to a multiple of it where each length is compiled anew

Translator = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def translate(
    model: keras.Model,
    source: np.ndarray,
    *,
    beams: int = 5,
    length_penalty: float = 1.0,
    longest: int = 256,
) -> tuple[np.ndarray, np.ndarray]:
    """Translate one batch; whoever has many makes one :func:`translator` for them.

    Args:
        model: a network with the layers `encoder` and `decoder`.
        source: pieces and END, int32 [batch, S], PAD at the end.
        beams: translations that are followed, and returned; 1 is greedy search.
        length_penalty: what lengthens translations; see :func:`beam_search`.
        longest: most pieces of a translation, END included; no translation has more than
            twice as many as its source and ten.

    Returns:
        pieces int32 [batch, beams, L] without START and END, PAD at the end, and scores
        float32 [batch, beams], the best first.
    """
    run = translator(model, beams=beams, length_penalty=length_penalty, longest=longest)
    return run(source)


def translator(
    model: keras.Model, *, beams: int = 5, length_penalty: float = 1.0, longest: int = 256
) -> Translator:
    """Return what translates batch after batch, compiled once; see :func:`translate`."""
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")

    def search(source: Any) -> tuple[Any, Any]:
        lengths = ops.sum(ops.cast(source != PAD, "int32"), axis=1)
        steps = limit(ops.shape(source)[1], longest)
        states = encoder(source, training=False)
        memory, cache = decoder.start(states, source, beams, steps)
        return beam_search(
            decoder.step,
            memory,
            cache,
            limit(lengths, longest),
            beams=beams,
            steps=steps,
            length_penalty=length_penalty,
        )

    compiled = _compile(search, model)

    def run(source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pieces, scores = map(ops.convert_to_numpy, compiled(np.asarray(source, np.int32)))
        used = int((pieces != PAD).any(axis=(0, 1)).sum())
        return pieces[..., :used], scores

    return run


def alignments(model: keras.Model, source: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """Return how much each piece of a translation looks at each piece of its source.

    Args:
        model: a network with the layers `encoder` and `decoder`.
        source: pieces and END, int32 [S].
        pieces: of the translation, with or without END, int32 [L].

    Returns:
        float32 [L, S]; each row sums to 1.
    """
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    # A place is asked for the piece that follows it.
    before = np.concatenate([[START], pieces[:-1]])
    source, target = (ops.convert_to_tensor(x[None], "int32") for x in (source, before))
    states = encoder(source, training=False)
    return ops.convert_to_numpy(decoder.alignments((target, states, source)))[0]


def limit(length: Any, longest: int) -> Any:
    """Return the most pieces of a translation, END included, for sources of so many tokens.

    Args:
        length: an int, or a tensor or array of int32.
        longest: no translation has more.
    """
    most = 2 * length + 10
    return min(most, longest) if isinstance(most, int) else ops.minimum(most, longest)


def _compile(search: Callable[[Any], Any], model: keras.Model) -> Callable[[np.ndarray], Any]:
    """Return `search` as a graph: on TensorFlow of any size, elsewhere of each size anew."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(search, input_signature=[tf.TensorSpec((None, None), tf.int32)])
    if keras.backend.backend() == "jax":
        return _compile_jax(search, model)
    return search


def _compile_jax(search: Callable[[Any], Any], model: keras.Model) -> Callable[[np.ndarray], Any]:
    import jax

    @jax.jit
    def compiled(values: list[Any], source: Any) -> Any:
        # Given as arguments, or the weights of today would stay in the compiled code.
        with keras.StatelessScope(list(zip(model.variables, values, strict=True))):
            return search(source)

    def run(source: np.ndarray) -> Any:
        source = np.pad(source, ((0, 0), (0, -source.shape[1] % _ROUND)), constant_values=PAD)
        return compiled([variable.value for variable in model.variables], source)

    return run
