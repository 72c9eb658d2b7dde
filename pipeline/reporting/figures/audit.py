"""The audit of calibration estimators: bias and coverage against the size of the test set."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from pipeline.reporting.figures.canvas import BLUE, GREY, INK, PALE, SHAPES, Drawing, new_figure
from pipeline.reporting.figures.textbook_axes import settle
from pipeline.reporting.figures.textbook_looks import AMBER, GREEN, PINK
from pipeline.reporting.text.audit import network, readable_estimator, sizes
from pipeline.results.textbook import ENOUGH, AuditRow

WIDTH = 11.0
_NETWORKS = 3  # at most
_DRAWN = {"ece": BLUE, "smece": AMBER, "debiased": GREEN, "bias": INK, "calibration": PINK}  # all others are in a table
_TITLE = "How well do estimators of calibration find the truth in a test set of n rows?"
_LINES: Mapping[str, tuple[Any, str]] = {
    "study": ("-", "interval over networks"),
    "network": ("--", "bootstrap of one network"),
}
_PERCENT = (-1000, -100, -30, -10, 0, 10, 30, 100, 300, 1000, 10000)
Look = Mapping[str, Any]


def audit_figure(rows: Sequence[AuditRow]) -> Drawing | None:
    """Bias of the main estimators, coverage of their intervals, a column a network; nothing without rows."""
    if not rows:
        return None
    networks = list(dict.fromkeys(map(network, rows)))[:_NETWORKS]
    looks = _looks({row.estimator for row in rows})
    figure = new_figure(WIDTH, 7.4)
    grid = figure.subplots(2, len(networks), squeeze=False, sharex=True, sharey="row")
    for (above, below), name in zip(grid.T, networks, strict=True):
        chosen = [row for row in rows if network(row) == name]
        _bias_axes(above, chosen, looks)
        _coverage_axes(below, chosen, looks)
        above.set_title(name)
        below.set_xlabel("rows of the test set, n")
    grid[0, 0].set_ylabel("bias, percent of the truth")
    grid[1, 0].set_ylabel("coverage of 95% intervals")
    figure.legend(
        handles=[*_handles(looks)], loc="outside upper left", ncols=4, columnspacing=1.6, fontsize=12.5, title=_TITLE,
        title_fontproperties={"size": 15, "weight": "bold"}, alignment="left",
    )  # fmt: skip
    settle(figure)
    return Drawing(figure, _caption(rows, networks))


def _caption(rows: Sequence[AuditRow], networks: Sequence[str]) -> str:
    low, high = (f"{100 * end:g}" for end in ENOUGH)
    count = max(row.networks for row in rows)
    return (
        "Test sets of n rows are drawn from a pool of rows whose posterior is known; each estimator is compared with "
        f"its truth on the whole pool, for {count} trained networks of a setting. Above: mean estimate minus truth. "
        "Below, solid: how often Student’s t interval over networks, widened for the noise of the test set that they "
        "share, holds their mean truth. Dashed: bootstrap intervals of one network. Grey: "
        f"{low} to {high} percent, where an honest one stands. Networks: {'; '.join(networks)}. Further estimators are "
        "in the page’s table."
    )


def _looks(names: Container[str]) -> dict[str, Look]:
    """A colour and a mark for each estimator that is drawn."""
    return {
        name: {"color": colour, "marker": shape, "linewidth": 2.3, "markersize": 7.5}
        for (name, colour), shape in zip(_DRAWN.items(), SHAPES, strict=False)
        if name in names
    }


def _handles(looks: Mapping[str, Look]) -> Iterator[Line2D]:
    """What colours and dashes mean."""
    for name, look in looks.items():
        yield Line2D([], [], label=readable_estimator(name), **look)
    for dashes, text in _LINES.values():
        yield Line2D([], [], label=text, color=GREY, linestyle=dashes, linewidth=2.3)


def _bias_axes(axes: Axes, rows: Sequence[AuditRow], looks: Mapping[str, Look]) -> None:
    for name, look in looks.items():
        chosen = [row for row in rows if (row.part, row.estimator) == ("network", name)]
        known = sorted((row.rows, 100 * row.bias / abs(row.truth)) for row in chosen if row.truth)
        axes.plot([n for n, _ in known], [bias for _, bias in known], label=readable_estimator(name), **look)
    axes.set_yscale("symlog", linthresh=10)
    axes.yaxis.set_major_locator(FixedLocator(_PERCENT))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0"))
    axes.axhline(0, color=INK, linewidth=1)
    _sizes(axes, rows)


def _coverage_axes(axes: Axes, rows: Sequence[AuditRow], looks: Mapping[str, Look]) -> None:
    for part, (dashes, _) in _LINES.items():
        for name, look in looks.items():
            chosen = [row for row in rows if (row.part, row.estimator) == (part, name)]
            known = sorted((row.rows, row.coverage) for row in chosen if row.coverage is not None)
            if known:
                axes.plot([n for n, _ in known], [share for _, share in known], linestyle=dashes, **look)
    axes.axhspan(*ENOUGH, color=PALE, zorder=0)
    axes.set_ylim(0, 1.03)
    _sizes(axes, rows)


def _sizes(axes: Axes, rows: Sequence[AuditRow]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(sizes(rows), [f"{size:,}" for size in sizes(rows)], fontsize=10)
