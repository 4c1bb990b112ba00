"""Each card's latest transactions, brought along with an example."""

from __future__ import annotations

import numpy as np

import zoo


class CardHistory:
    """The transactions of all cards, each linked to the card's one before it.

    Only strictly earlier transactions count, and one of each second.

    Args:
        card: codes, int [transactions].
        time: datetime64[s] or seconds [transactions].
        number: features, float32 [transactions, numbers].
        length: how many earlier transactions an example brings along.
    """

    def __init__(self, card: np.ndarray, time: np.ndarray, number: np.ndarray, length: int) -> None:
        self.length = length
        self._time = np.asarray(time).astype("datetime64[s]").astype(np.int64)
        self._number = number
        self._previous = _previous(card, self._time)

    def before(self, rows: np.ndarray) -> zoo.Batch:
        """Return what came before some transactions, oldest first.

        Args:
            rows: int64 [batch].

        Returns:
            `history` float32 [batch, length, numbers] and `age` float32 [batch, length] in
            days; NaN where the card has no such transaction.
        """
        places = np.empty((len(rows), self.length), np.int64)
        place = rows
        for back in range(self.length - 1, -1, -1):
            place = np.where(place >= 0, self._previous[place], -1)
            places[:, back] = place
        age = (self._time[rows][:, None] - self._time[places]) / 86_400
        absent = places < 0
        history = self._number[places]
        history[absent] = np.nan
        return {"history": history, "age": np.where(absent, np.nan, age).astype(np.float32)}


class WithHistory:
    """Examples, each with the card's transactions before it.

    Args:
        examples: columns of the split.
        history: of all transactions.
        rows: where the split's examples are among them, int64 [examples].
    """

    def __init__(self, examples: zoo.Examples, history: CardHistory, rows: np.ndarray) -> None:
        self._examples = examples
        self._history = history
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: np.ndarray, /) -> zoo.Batch:
        return {**self._examples[rows], **self._history.before(self._rows[rows])}


def _previous(card: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return the place of each card's latest strictly earlier transaction, or -1."""
    order = np.lexsort((time, card))
    card, time = card[order], time[order]
    place = np.arange(len(order))
    same_moment = np.zeros(len(order), bool)
    same_moment[1:] = (card[1:] == card[:-1]) & (time[1:] == time[:-1])
    first_of_moment = np.maximum.accumulate(np.where(same_moment, 0, place))
    before = first_of_moment - 1
    first_of_card = np.ones(len(order), bool)
    first_of_card[1:] = card[1:] != card[:-1]
    none = first_of_card[first_of_moment] if len(order) else first_of_card
    previous = np.empty(len(order), np.int64)
    previous[order] = np.where(none, -1, order[before])
    return previous
