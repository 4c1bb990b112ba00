"""Reports of runs: an HTML page, a model card, a fragment for notebooks, and charts.

`render`, `card` and `summary_html` read a run folder, `render_evaluation` shows results
alone; plugins build their figures from :mod:`zoo.reporting.charts`. Nothing here imports
TensorFlow or Keras.
"""

from __future__ import annotations

from zoo.reporting.page import card, render, render_evaluation, summary_html

__all__ = ["card", "render", "render_evaluation", "summary_html"]
