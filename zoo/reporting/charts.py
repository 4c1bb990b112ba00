"""Charts and tables for reports, all in one style.

Plugins build their figures from these, and the report its own:

.. code-block:: python

    from zoo.reporting import charts

    charts.line_chart(
        "Precision and recall",
        "The curve on the test split; the dashed line is chance.",
        {"model": (recall, precision)},
        x_label="recall",
        y_label="precision",
    )

A chart is an SVG with real text. Its colours are CSS variables that default to the light
palette, so a page can recolour it for a dark screen, and it looks right in a notebook.
"""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.style
import numpy as np
from cycler import cycler
from markupsafe import Markup, escape
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import NullFormatter

from zoo.components import Figure
from zoo.reporting.palette import LIGHT, SERIES
from zoo.reporting.wording import decimals, finite, number, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = Sequence[float] | np.ndarray
Points = tuple[Values, Values]
"""The x values and the y values of a line."""

_FONT = "DejaVu Sans"
_STYLE: dict[str, Any] = {
    "font.family": [_FONT],
    "font.size": 9.5,
    "text.color": LIGHT["ink"],
    # Labels come from data, where a dollar sign is a dollar sign.
    "text.parse_math": False,
    "axes.edgecolor": LIGHT["muted"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    # Dashes as well as colours, so that lines can be told apart in a grey print.
    "axes.prop_cycle": cycler(color=SERIES)
    + cycler(linestyle=["-", (0, (5, 1.5)), "-.", ":", (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1))]),
    "grid.color": LIGHT["grid"],
    "grid.linewidth": 0.8,
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 2.0,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "zoo",
}
_ROLES = {colour: f"var(--zoo-{role}, {colour})" for role, colour in LIGHT.items()}
_SHADES = LinearSegmentedColormap.from_list("zoo", ["#eef3f8", "#5aa3d0", "#0072b2", "#003a5c"])
_ON_LIGHT, _ON_DARK = "#111111", "#ffffff"
_LONGEST = 32


def draw(
    title: str,
    caption: str,
    paint: Callable[[Axes], object],
    *,
    width: float = 5.2,
    height: float = 3.1,
) -> Figure:
    """Return whatever `paint` draws, in the common style.

    Args:
        title: a few words.
        caption: what is to be seen in it.
        paint: draws on the matplotlib axes it is given.
        width: inches.
        height: inches.
    """
    return Figure(title, caption, _svg(paint, alt=title, width=width, height=height))


def line_chart(
    title: str,
    caption: str,
    series: Mapping[str, Points],
    *,
    x_label: str = "",
    y_label: str = "",
    references: Mapping[str, Points] | None = None,
    bands: Mapping[str, Points] | None = None,
    marks: Mapping[str, float] | None = None,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    log_x: bool = False,
    log_y: bool = False,
) -> Figure:
    """Return lines over a common x axis; values that are not finite leave a gap.

    Args:
        title: a few words.
        caption: what is to be seen in it.
        series: x and y values of each line by name.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        references: further lines in a quiet colour, such as chance level.
        bands: lower and upper y values around the line of that name.
        marks: positions on the x axis to mark by a vertical line, such as a threshold.
        x_range: lowest and highest x shown.
        y_range: lowest and highest y shown.
        log_x: whether x is logarithmic.
        log_y: whether y is logarithmic.
    """
    bands = bands or {}

    def paint(axes: Axes) -> None:
        axes.set(xscale="log" if log_x else "linear", yscale="log" if log_y else "linear")
        for name, (x, y) in series.items():
            (line,) = axes.plot(x, y, marker="o" if len(x) <= 40 else "", label=name)
            if name in bands:
                low, high = bands[name]
                axes.fill_between(x, low, high, color=line.get_color(), alpha=0.18, linewidth=0)
        for name, (x, y) in (references or {}).items():
            axes.plot(x, y, color=LIGHT["muted"], linestyle=":", linewidth=1.4, label=name)
        for name, position in (marks or {}).items():
            _mark(axes, name, position)
        if marks:
            axes.margins(y=0.14)  # room for the names of the marks above the lines
        if not log_x and all(float(value).is_integer() for x, _ in series.values() for value in x):
            axes.locator_params(axis="x", integer=True)
        axes.set(xlabel=x_label, ylabel=y_label, xlim=x_range, ylim=y_range)
        _legend(axes, [*series, *(references or {})])

    return draw(title, caption, paint)


def bar_chart(
    title: str,
    caption: str,
    labels: Sequence[str],
    series: Mapping[str, Values],
    *,
    x_label: str = "",
    y_label: str = "",
    horizontal: bool = False,
) -> Figure:
    """Return bars, grouped by label if there is more than one series.

    Args:
        title: a few words.
        caption: what is to be seen in it.
        labels: the categories.
        series: one value for each label, by the name of the series.
        x_label: what the horizontal axis shows.
        y_label: what the vertical axis shows.
        horizontal: whether bars lie; better for many or long labels.
    """
    places = np.arange(len(labels))
    thickness = 0.75 / max(len(series), 1)

    def paint(axes: Axes) -> None:
        bars = axes.barh if horizontal else axes.bar
        for index, (name, values) in enumerate(series.items()):
            offset = (index - (len(series) - 1) / 2) * thickness
            bars(places + offset, values, thickness * 0.94, color=f"C{index}", label=name)
        axes.set(xlabel=x_label, ylabel=y_label)
        if horizontal:
            axes.set_yticks(places, _short(labels))
            axes.invert_yaxis()
        else:
            axes.set_xticks(places, _short(labels))
        axes.grid(visible=False, axis="y" if horizontal else "x")
        _legend(axes, list(series))

    height = max(1.6, 0.9 + 0.32 * len(labels) * max(len(series), 1) ** 0.5)
    return draw(title, caption, paint, height=height if horizontal else 3.1)


def interval_chart(
    title: str,
    caption: str,
    estimates: Mapping[str, tuple[float | None, float | None, float | None]],
    *,
    x_label: str = "",
    highlight: Sequence[str] = (),
) -> Figure:
    """Return a dot with its interval for each name, from top to bottom.

    Args:
        title: a few words.
        caption: what is to be seen in it.
        estimates: value, lower and upper end by name; None or NaN where one is unknown.
        x_label: what is compared.
        highlight: the names to draw in the first colour; the others are quiet.
    """

    def paint(axes: Axes) -> None:
        for row, (name, estimate) in enumerate(estimates.items()):
            value, low, high = np.array(estimate, dtype=float)
            colour = LIGHT["series-1" if name in highlight else "muted"]
            axes.plot([low, high], [row, row], color=colour, linestyle="-", linewidth=2.5)
            axes.plot([value], [row], color=colour, marker="o", markersize=8)
        axes.set_yticks(range(len(estimates)), _short(estimates), color=LIGHT["ink"])
        axes.set_ylim(len(estimates) - 0.5, -0.5)
        axes.margins(x=0.08)
        axes.set_xlabel(x_label)
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")

    return draw(title, caption, paint, width=5.4, height=0.75 + 0.38 * len(estimates))


def heat_map(
    title: str,
    caption: str,
    values: Sequence[Sequence[float]] | np.ndarray,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    x_label: str = "",
    y_label: str = "",
    texts: Sequence[Sequence[str]] | None = None,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Return a grid of cells, darker where the value is larger.

    Args:
        title: a few words.
        caption: what is to be seen in it.
        values: [rows, columns]; NaN leaves a cell empty.
        rows: names of the rows, top to bottom.
        columns: names of the columns, left to right.
        x_label: what the columns are.
        y_label: what the rows are.
        texts: what to write into each cell; by default the value while it is readable.
        limits: the values of the lightest and the darkest shade; by default the range.
    """
    grid = np.ma.masked_invalid(np.asarray(values, dtype=float))
    readable = len(columns) <= 12 and len(rows) <= 20
    if texts is None and readable:
        texts = [["" if cell is np.ma.masked else plain(float(cell)) for cell in r] for r in grid]
    low, high = limits or (None, None)
    names = _short(columns)
    longest = max(map(len, names), default=0)
    upright = longest * len(names) > 60

    def paint(axes: Axes) -> None:
        mesh = axes.pcolormesh(grid, cmap=_SHADES, vmin=low, vmax=high, rasterized=grid.size > 2000)
        axes.set_xticks(np.arange(len(columns)) + 0.5, names, rotation=90 if upright else 0)
        axes.set_yticks(np.arange(len(rows)) + 0.5, _short(rows))
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        if texts is None:
            axes.figure.colorbar(mesh, ax=axes).outline.set_visible(False)
        else:
            _write_cells(axes, texts, np.asarray(mesh.norm(grid)))

    height = min(1.3 + 0.42 * len(rows), 7.0) if readable else 6.0
    return draw(title, caption, paint, height=height + (0.07 * longest if upright else 0))


def confusion_matrix(
    title: str,
    caption: str,
    counts: Sequence[Sequence[int]] | np.ndarray,
    labels: Sequence[str],
) -> Figure:
    """Return counts of true against predicted classes, shaded by share of the true class.

    Args:
        title: a few words.
        caption: what is to be seen in it.
        counts: [true class, predicted class].
        labels: the classes, in the order of both axes.
    """
    table = np.asarray(counts, dtype=float)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    texts = [
        [f"{count:,.0f}\n{share:.1%}" for count, share in zip(*row, strict=True)]
        for row in zip(table, shares, strict=True)
    ]
    return heat_map(
        title,
        caption,
        shares,
        rows=labels,
        columns=labels,
        x_label="predicted",
        y_label="true",
        texts=texts if len(labels) <= 8 else None,
        limits=(0.0, 1.0),
    )


def table(
    title: str, caption: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> Figure:
    """Return a table; numbers are set to the right and a missing value is a dash.

    Args:
        title: a few words.
        caption: what is to be seen in it.
        columns: the headings.
        rows: values of any JSON or NumPy scalar type, a value for each column.
    """
    native = [[cell.item() if isinstance(cell, np.generic) else cell for cell in r] for r in rows]
    values = list(zip(*native, strict=True)) if rows else [()] * len(columns)
    numeric = [all(cell is None or _is_number(cell) for cell in column) for column in values]
    shown = [_column(column) for column in values]

    def line(cells: Sequence[str], tag: str) -> Markup:
        marks = [Markup(' class="number"') if right else "" for right in numeric]
        parts = [
            Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), mark, cell)
            for mark, cell in zip(marks, cells, strict=True)
        ]
        return Markup("<tr>{}</tr>").format(Markup("").join(parts))

    head = line(columns, "th")
    body = Markup("\n").join(line(cells, "td") for cells in zip(*shown, strict=True))
    html = Markup('<table class="zoo-table"><thead>{}</thead><tbody>{}</tbody></table>')
    return Figure(title, caption, str(html.format(head, body)))


def image_grid(
    title: str, caption: str, images: Sequence[np.ndarray], labels: Sequence[str] = ()
) -> Figure:
    """Return small images side by side.

    Args:
        title: a few words.
        caption: what is to be seen in them.
        images: [height, width] grey or [height, width, 3] colour; uint8, or floats 0 to 1.
        labels: a line under each image.
    """
    return Figure(title, caption, images_html(images, labels))


def images_html(
    images: Sequence[np.ndarray], labels: Sequence[str] = (), *, column: str = "10rem"
) -> str:
    """Return images side by side as a fragment for :class:`zoo.Figure`.

    They are stored as JPEG, which keeps reports small.

    Args:
        images: as in :func:`image_grid`.
        labels: a line under each image.
        column: the least width of an image, as CSS has it.
    """
    cells = Markup("").join(
        _image(image, labels[index] if index < len(labels) else "")
        for index, image in enumerate(images)
    )
    columns = f"repeat(auto-fill, minmax({column}, 1fr))"
    html = Markup('<div class="zoo-images" style="grid-template-columns: {}">{}</div>')
    return str(html.format(columns, cells))


def _image(image: np.ndarray, label: str) -> Markup:
    from PIL import Image

    if image.dtype != np.uint8:
        image = (np.clip(image, 0, 1) * 255).round().astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=80)
    address = f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
    html = Markup('<figure><img alt="{0}" src="{1}"><figcaption>{0}</figcaption></figure>')
    return html.format(label, address)


def _svg(
    paint: Callable[[Axes], object], *, alt: str, width: float, height: float, bare: bool = False
) -> str:
    """Return a self-contained `<svg>`; `bare` leaves out axes and margins."""
    text = io.StringIO()
    with warnings.catch_warnings(), matplotlib.style.context(["default", _STYLE]):
        # The reader's browser has the letters that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        canvas = Canvas(figsize=(width, height), layout=None if bare else "constrained")
        axes = canvas.add_axes((0, 0, 1, 1)) if bare else canvas.add_subplot()
        if bare:
            axes.set_axis_off()
        paint(axes)
        _plain_log_ticks(axes)
        canvas.savefig(
            text,
            format="svg",
            transparent=True,
            dpi=150,
            metadata=dict.fromkeys(["Creator", "Date", "Format", "Type"]),
        )
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"(?<=: )#[0-9a-f]{6}(?=[;\"])", lambda hit: _ROLES.get(hit[0], hit[0]), svg)
    svg = svg.replace(f"'{_FONT}'", "var(--zoo-font, system-ui, sans-serif)")
    opening = (
        f'<svg role="img" aria-label="{escape(alt)}" style="max-width: 100%; height: auto; '
        'background: var(--zoo-surface, #ffffff); stroke-linejoin: round"'
    )
    return svg.replace("<svg", opening, 1)


def _plain_log_ticks(axes: Axes) -> None:
    """Write 1000 on a logarithmic axis, as powers would need a mathematical font."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())


def _legend(axes: Axes, names: Sequence[str]) -> None:
    """Put a legend above the axes if there is more than one name, in rows that fit."""
    if len(names) > 1:
        fitting = max(1, 72 // (max(map(len, names)) + 8))
        columns = min(len(names), fitting)
        axes.figure.legend(loc="outside upper left", ncols=columns, borderaxespad=0.2)


def _short(labels: Iterable[str]) -> list[str]:
    """Cut long labels, so that they leave room for the chart."""
    return [label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…" for label in labels]


def _mark(axes: Axes, name: str, position: float) -> None:
    """Draw a vertical line at `position` with its name at the top."""
    axes.axvline(position, color=LIGHT["muted"], linestyle="--", linewidth=1)
    axes.annotate(
        name,
        (position, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -3),
        textcoords="offset points",
        va="top",
        color=LIGHT["muted"],
        fontsize=9,
    )


def _write_cells(axes: Axes, texts: Sequence[Sequence[str]], shades: np.ndarray) -> None:
    """Write `texts` into the cells in a colour that stands out from the shade, 0 to 1."""
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            colour = _ON_DARK if shades[row, column] > 0.4 else _ON_LIGHT
            axes.text(
                column + 0.5, row + 0.5, text, ha="center", va="center", color=colour, fontsize=9
            )


def _column(cells: Sequence[Any]) -> list[str]:
    """Return the cells of a column as text, its fractions with the same number of decimals."""
    places = decimals(finite(cell) for cell in cells)
    return [
        number(finite(cell), places) if isinstance(cell, float) else plain(cell) for cell in cells
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
