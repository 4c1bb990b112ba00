"""The figures a fraud team looks at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import zoo
from zoo_fraud.metrics import DailyCards


def precision_recall(
    truth: zoo.Batch, predictions: zoo.Batch, decision: Mapping[str, float]
) -> zoo.Figure:
    """Draw precision against recall, with the chosen threshold."""
    ranking = zoo.Ranking(truth["label"], predictions["probability"])
    precision, recall = ranking.precision_recall(np.ones(len(truth["label"])))
    series = {"model": (_thin(recall), _thin(precision))}
    threshold = decision.get("threshold")
    caption = (
        "Of the transactions flagged, the share that is fraud, against the share of fraud found."
    )
    if threshold is not None and np.any(ranking.thresholds >= threshold):
        place = int(np.flatnonzero(ranking.thresholds >= threshold)[-1])
        series["alert threshold"] = ([recall[place]] * 2, [0.0, precision[place]])
        caption += (
            f" At the alert threshold {threshold:.3g}, precision is {precision[place]:.2f} and"
            f" recall {recall[place]:.2f}."
        )
    return zoo.charts.line_chart(
        "Precision and recall", caption, series, x_label="recall", y_label="precision"
    )


def daily_cards(cards: DailyCards, k: int, truth: zoo.Batch) -> zoo.Figure:
    """Draw how many of each day's riskiest cards are compromised."""
    found = cards.daily_precision(np.ones(len(truth["label"])), k)
    days = [str(np.datetime64(int(day), "D"))[5:] for day in cards.days]
    return zoo.charts.bar_chart(
        f"Compromised cards among the {k} riskiest",
        "Share of each day's checked cards that are compromised. A card once found is blocked.",
        days,
        {"share": found.tolist()},
        y_label="card precision",
    )


def budget(cards: DailyCards, truth: zoo.Batch, k: int) -> zoo.Figure:
    """Draw the loss that remains as more cards are checked a day."""
    ones = np.ones(len(truth["label"]))
    budgets = sorted({0, 5, 10, 20, 50, 100, 150, 200, 300, 500, k})
    lost = [cards.cost(ones, each, alert_cost=0.0) for each in budgets]
    return zoo.charts.line_chart(
        "Loss against the number of checks",
        "Fraud not prevented on an average day, by how many cards are checked.",
        {"missed fraud a day": (budgets, lost)},
        x_label="cards checked a day",
        y_label="amount",
    )


def reliability(truth: zoo.Batch, predictions: zoo.Batch) -> zoo.Figure:
    """Draw how often a stated probability comes true."""
    probability, label = predictions["probability"], truth["label"]
    order = np.argsort(probability, kind="stable")
    groups = [part for part in np.array_split(order, 20) if len(part)]
    stated = [float(probability[part].mean()) for part in groups]
    observed = [float(label[part].mean()) for part in groups]
    top = max(*stated, *observed, 1e-6)
    return zoo.charts.line_chart(
        "Calibration",
        "Mean stated probability and observed share of fraud, in 20 groups of equal size.",
        {"model": (stated, observed)},
        references={"perfect": ([0, top], [0, top])},
        x_label="stated probability",
        y_label="observed share",
    )


def _thin(values: np.ndarray, points: int = 400) -> list[float]:
    """Keep so many points of a curve that its drawing stays small."""
    places = np.unique(np.linspace(0, len(values) - 1, points).astype(int))
    return values[places].tolist()
