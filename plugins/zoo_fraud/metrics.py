"""What fraud teams count: cards found a day, and what fraud costs within a budget."""

from __future__ import annotations

import numpy as np


class DailyCards:
    """Each day's cards, ranked by their riskiest transaction.

    A card that was checked and found compromised is blocked, so it does not come up on
    later days. Follows the Fraud Detection Handbook (chapter 4, card precision top-k).

    Args:
        day: int [transactions].
        card: any values [transactions].
        label: 0 or 1 [transactions].
        score: risk [transactions].
        amount: of each transaction.
    """

    def __init__(
        self,
        day: np.ndarray,
        card: np.ndarray,
        label: np.ndarray,
        score: np.ndarray,
        amount: np.ndarray,
    ) -> None:
        _, codes = np.unique(card, return_inverse=True)
        self._cards = int(codes.max(initial=-1)) + 1
        self._row_of_card = np.zeros(self._cards, np.int64)
        self._row_of_card[codes] = np.arange(len(codes))
        self.days = np.unique(day)
        self._ranked = [
            self._rank(
                codes[day == each], label[day == each], score[day == each], amount[day == each]
            )
            for each in self.days
        ]

    def _rank(
        self, codes: np.ndarray, label: np.ndarray, score: np.ndarray, amount: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return one day's cards from risky to safe, whether each is compromised, and its loss."""
        worst = np.full(self._cards, -np.inf)
        np.maximum.at(worst, codes, score)
        loss = np.bincount(codes, weights=amount * label, minlength=self._cards)
        fraud = np.bincount(codes, weights=label, minlength=self._cards) > 0
        seen = np.unique(codes)
        ranked = seen[np.argsort(-worst[seen], kind="stable")]
        return ranked, fraud[ranked], loss[ranked]

    def precision(self, weights: np.ndarray, k: int) -> float:
        """Return the mean share of compromised cards among each day's `k` riskiest.

        Args:
            weights: how often each transaction counts; equal within a card.
            k: cards that can be checked a day.
        """
        return float(np.mean(self.daily_precision(weights, k)))

    def daily_precision(self, weights: np.ndarray, k: int) -> np.ndarray:
        """As :meth:`precision`, for each day: float64 [days]."""
        return np.array([found / k for found, _ in self._check(weights, k)])

    def cost(self, weights: np.ndarray, k: int, alert_cost: float) -> float:
        """Return the mean daily cost: fraud on cards not checked, plus that of checking.

        Args:
            weights: how often each transaction counts; equal within a card.
            k: cards that are checked a day.
            alert_cost: of checking one card, in the amounts' currency.
        """
        each = [missed + k * alert_cost for _, missed in self._check(weights, k)]
        return float(np.mean(each))

    def _check(self, weights: np.ndarray, k: int) -> list[tuple[float, float]]:
        """Return for each day how many compromised cards are found, and the loss missed."""
        copies = np.asarray(weights, np.float64)[self._row_of_card]
        blocked = np.zeros(self._cards, bool)
        result = []
        for ranked, fraud, loss in self._ranked:
            count = np.where(blocked[ranked], 0.0, copies[ranked])
            checked = np.clip(k - (np.cumsum(count) - count), 0, count)
            found = checked * fraud
            missed = np.sum((count - checked) * loss)
            result.append((float(found.sum()), float(missed)))
            blocked[ranked[found > 0]] = True
        return result
