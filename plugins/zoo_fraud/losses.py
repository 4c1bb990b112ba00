"""Losses over the members of an ensemble, each of which learns on its own."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class MemberCrossEntropy(keras.losses.Loss):
    """Mean binary cross-entropy of the members, optionally focal.

    Targets float [batch, 1], logits [batch, members].

    Args:
        gamma: how strongly easy examples are weighed down (arXiv:1708.02002); 0 for plain
            cross-entropy.
    """

    def __init__(self, gamma: float = 0.0) -> None:
        super().__init__(name="cross_entropy")
        self.gamma = gamma

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logits = ops.cast(y_pred, "float32")
        loss = ops.softplus(logits) - y_true * logits
        if self.gamma:
            wrong = ops.where(y_true > 0.5, ops.sigmoid(-logits), ops.sigmoid(logits))
            loss = loss * wrong**self.gamma
        return ops.mean(loss, axis=-1)
