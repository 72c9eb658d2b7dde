"""How good are the estimators that judge calibration? Bias and coverage against how many rows they see."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from pipeline.figures.canvas import COLOURS, INK, PALE, SHAPES, Drawing, Row, new_figure
from pipeline.figures.claim_axes import settle
from pipeline.words.audit_rendering import ENOUGH, named, network, sizes

WIDTH = 11.0
_ACROSS = 3  # networks
_PERCENT = (-1000, -100, -30, -10, 0, 10, 30, 100, 300, 1000, 10000)
Look = Mapping[str, Any]


def audit_figure(rows: Sequence[Row]) -> Drawing | None:
    """Bias of every estimator and coverage of its intervals against n, a column a network; nothing without rows."""
    if not rows:
        return None
    networks = list(dict.fromkeys(map(network, rows)))[:_ACROSS]
    looks = _looks(dict.fromkeys(row["estimator"] for row in rows))
    figure = new_figure(WIDTH, 7.2)
    panels = figure.subplots(2, len(networks), squeeze=False, sharex=True, sharey="row")
    for (above, below), name in zip(panels.T, networks, strict=True):
        own = [row for row in rows if network(row) == name]
        _bias_panel(above, own, looks)
        _coverage_panel(below, own, looks)
        above.set_title(name)
        below.set_xlabel("rows of the test set, n")
    panels[0, 0].set_ylabel("bias, percent of the truth")
    panels[1, 0].set_ylabel("coverage of 95% intervals")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, columnspacing=1.4, fontsize=10.5)
    settle(figure)
    return Drawing(figure, _words(rows, networks))


def _words(rows: Sequence[Row], networks: Sequence[str]) -> str:
    low, high = (f"{100 * end:g}" for end in ENOUGH)
    count = max(int(row["networks"]) for row in rows)
    return (
        "Test sets of n rows are drawn from a pool of rows whose posterior is known; each estimator is compared with "
        f"its truth on the whole pool, for {count} trained networks of a setting. Above: mean estimate minus truth. "
        "Below, solid: how often Student’s t interval over networks, widened for the noise of the test set that they "
        "share, holds their mean truth. Dashed: bootstrap intervals of one network. Grey: "
        f"{low} to {high} percent, where an honest one stands. Networks: {'; '.join(networks)}."
    )


def _looks(names: Iterable[str]) -> dict[str, Look]:
    """A colour and a mark for each estimator; colours that come again are those of hollow marks."""
    colours = (*COLOURS, INK)
    return {
        name: {
            "color": colours[place % len(colours)],
            "marker": SHAPES[place % len(SHAPES)],
            "fillstyle": "full" if place < len(colours) else "none",
            "linewidth": 1.6,
            "markersize": 6,
        }
        for place, name in enumerate(names)
    }


def _bias_panel(axes: Axes, rows: Sequence[Row], looks: Mapping[str, Look]) -> None:
    for name, look in looks.items():
        own = [row for row in rows if (row["part"], row["estimator"]) == ("network", name)]
        known = sorted((row["rows"], 100 * row["bias"] / abs(row["truth"])) for row in own if row["truth"])
        axes.plot([n for n, _ in known], [bias for _, bias in known], label=named(name), **look)
    axes.set_yscale("symlog", linthresh=10)
    axes.yaxis.set_major_locator(FixedLocator(_PERCENT))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0"))
    axes.axhline(0, color=INK, linewidth=1)
    _sizes(axes, rows)


def _coverage_panel(axes: Axes, rows: Sequence[Row], looks: Mapping[str, Look]) -> None:
    for part, dashes in (("study", "-"), ("network", "--")):
        for name, look in looks.items():
            own = [row for row in rows if (row["part"], row["estimator"]) == (part, name)]
            known = sorted((row["rows"], row["coverage"]) for row in own if row["coverage"] is not None)
            if known:
                axes.plot([n for n, _ in known], [share for _, share in known], linestyle=dashes, **look)
    axes.axhspan(*ENOUGH, color=PALE, zorder=0)
    axes.set_ylim(0, 1.03)
    _sizes(axes, rows)


def _sizes(axes: Axes, rows: Sequence[Row]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(sizes(rows), [f"{size:,}" for size in sizes(rows)], fontsize=9.5)
