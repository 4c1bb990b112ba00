"""Gradients by inputs, on both backends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from jax_process import run_on_jax

import zoo


def check_gradients() -> None:
    one, two = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), np.float32([5.0, 6.0])
    found = zoo.gradients(lambda each: each["one"] ** 2 * each["two"], {"one": one, "two": two})
    np.testing.assert_allclose(found["one"], 2 * one * two, rtol=1e-6)
    np.testing.assert_allclose(found["two"], (one**2).sum(axis=0), rtol=1e-6)


def test_gradients_are_those_of_the_sum() -> None:
    check_gradients()


def test_gradients_on_jax_are_the_same() -> None:
    pytest.importorskip("jax")
    script = "from test_differentiation import check_gradients\ncheck_gradients()\n"
    run_on_jax(script, devices=1, imports=Path(__file__).parent)
