"""The colours of reports and charts, each with a role, for light and dark screens.

The series are the colour-blind safe set of Okabe and Ito (2008), brightened for dark
screens. Charts are drawn in the light colours; the page replaces them by role.
"""

from __future__ import annotations

LIGHT = {
    "ink": "#1c2430",
    "muted": "#5b6675",
    "grid": "#dde2e8",
    "series-1": "#0072b2",
    "series-2": "#d55e00",
    "series-3": "#009e73",
    "series-4": "#cc79a7",
    "series-5": "#e69f00",
    "series-6": "#56b4e9",
}
DARK = {
    "ink": "#e6eaf0",
    "muted": "#9aa5b4",
    "grid": "#39424f",
    "series-1": "#5aaee6",
    "series-2": "#ff8f4a",
    "series-3": "#34c79b",
    "series-4": "#e6a3c9",
    "series-5": "#f2bd45",
    "series-6": "#9ad6f8",
}
SERIES = [colour for role, colour in LIGHT.items() if role.startswith("series")]
