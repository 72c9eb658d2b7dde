"""Which places change, with temperature scaling and between data sets? Drawn from finished tables."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pipeline.reporting.figures.canvas import (
    BLUE,
    DARK,
    INK,
    NEUTRAL,
    NOT_HELD,
    ORANGE,
    SUFFIX,
    Drawing,
    Results,
    Row,
    new_figure,
    sample,
    values_axis,
    wrapped,
)
from pipeline.results.rank_changes import is_doubtful
from pipeline.results.readable_names import DAGGER, readable

FLAGS = {"reversed": ORANGE, "verdict": BLUE, "other": "#999999"}


def temperature(results: Results) -> Drawing:
    """Ranks by NLL before and after temperature scaling, every change flagged, and what becomes of the ECE."""
    order, rows = results["ranking"]["nll"], {point["key"]: point for point in results["points"]}
    told = {flip["key"]: flip for flip in results["flips"] if flip["metric"] == "nll"}
    flags = {key: _flag(told.get(key)) for key in order["after"]}
    figure = new_figure(13, 0.35 * len(order["after"]) + 2.6)
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    means = {
        when: {key: f"{rows[key]['metrics'][f'test{suffix}/nll']['mean']:.3f}" for key in order[when]}
        for when, suffix in SUFFIX.items()
    }
    moves = {key: _move(order["before"].index(key) - place, told.get(key)) for place, key in enumerate(order["after"])}
    columns = [
        [(key, means["before"][key]) for key in order["before"]],
        [(key, f"{means['after'][key]} {moves[key]}") for key in order["after"]],
    ]
    ranks_panel(left, columns, flags, titles=["NLL before", "NLL after"], both=True, shift=0.95)
    calibration_panel(right, [rows[key] for key in order["after"]])
    right.set_title("calibration error")
    words = {"reversed": "verdict reversed", "verdict": "another change of verdict", "other": "verdict the same"}
    counts = Counter(flag for key, flag in flags.items() if key != results["reference"]["key"])
    handles = [
        Line2D([], [], color=FLAGS[kind], linewidth=3, label=f"{text} ({counts[kind]})")
        for kind, text in words.items()
        if counts[kind]
    ]
    ends: list[dict[str, Any]] = [{"label": "ECE before", "fillstyle": "none"}, {"label": "ECE after"}]
    handles += [Line2D([], [], color=NEUTRAL, marker="o", linestyle="", mew=1.5, **end) for end in ends]
    handles.append(Line2D([], [], color=INK, marker="|", linestyle="", markersize=8, label="floor of the ECE, after"))
    figure.legend(
        handles=handles, loc="outside upper center", ncols=6, title=f"{results['dataset']['name']}: test rows",
        title_fontproperties={"weight": "bold", "size": 12.5}, columnspacing=1.4, handletextpad=0.5,
    )  # fmt: skip
    changed = sum(flip["metric"] == "ece" and "verdict" in flip["kinds"] for flip in results["flips"])
    caption = (
        "Left: points from the best (top) to the worst mean test NLL, with the places gained (▲) or lost (▼) by "
        "temperature scaling and ± where the difference from none changes sign. Right: expected calibration error "
        "before (hollow) and after scaling (filled), in the order of the ranks after; ticks: what a calibrated model "
        f"would be expected to show after scaling. Verdicts on the ECE that change: {changed}. A temperature is fitted "
        f"on validation rows, one for each seed. All are means over seeds. {sample(results)}"
    )
    return Drawing(figure, caption)


def rankings(summary: Mapping[str, Any], studies: Sequence[Results]) -> Drawing:
    """Ranks by NLL after temperature scaling, a column a data set: what holds on all, and what conflicts."""
    points = summary["points"]
    flags = {p["key"]: "reversed" if p["conflict"] else "verdict" if p["survives"] else "other" for p in points}
    orders = summary["ranking"]
    figure = new_figure(6.4 + 2.3 * len(orders), 0.35 * len(next(iter(orders.values()))) + 2.3)
    doubts = {
        (point["key"], results["dataset"]["name"])
        for results in studies
        for point in results["points"]
        if is_doubtful(point["against_reference"].get("test_ts/nll", {"verdict": ""}))
    }
    columns = [
        [(key, f"{summary['means'][name][key]:.3f}{DAGGER * ((key, name) in doubts)}") for key in order]
        for name, order in orders.items()
    ]
    ranks_panel(figure.subplots(), columns, flags, titles=[*orders], both=len(orders) > 1)
    kinds = {
        "reversed": "better on one data set, worse on another",
        "verdict": "better on every data set",
        "other": "neither",
    }
    handles = [Line2D([], [], color=FLAGS[kind], linewidth=3, label=label) for kind, label in kinds.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    words = (
        "Points from the best (top) to the worst mean test NLL (nats) after temperature scaling; colours tell the "
        f"verdicts against none (Bouthillier et al. 2021). {DAGGER}: {NOT_HELD}. All are means over seeds. "
        f"{' '.join(sample(results) for results in studies)}"
    )
    return Drawing(figure, words)


def ranks_panel(
    axes: Axes,
    columns: Sequence[Sequence[tuple[str, str]]],
    flags: Mapping[str, str],
    *,
    titles: Sequence[str],
    both: bool = False,
    shift: float = 0.56,
) -> None:
    """Columns of (key, value) from best to worst, each key joined to itself in the next column.

    Args:
        axes: where to draw.
        columns: from left to right.
        flags: what each key's line tells, of `FLAGS`.
        titles: above the columns.
        both: name the keys right of the last column too.
        shift: how far right of it, in distances between columns.
    """
    places = [{key: place for place, (key, _) in enumerate(column)} for column in columns]
    for key in sorted(places[0], key=lambda key: [*FLAGS].index(flags.get(key, "other")), reverse=True):
        ys = [column[key] for column in places if key in column]
        none = key == "none"
        colour = INK if none else FLAGS[flags.get(key, "other")]
        axes.plot(range(len(ys)), ys, "o-", color=colour, linewidth=2.6 if none else 1.9, markersize=5)
    for x, column in enumerate(columns):
        side, sign = ("right", -1) if x == 0 else ("left", 1)
        for y, (key, value) in enumerate(column):
            colour = DARK[ORANGE] if flags.get(key) == "reversed" else INK
            look: dict[str, Any] = {
                "ha": side,
                "va": "center",
                "color": colour,
                "fontweight": "bold" if key == "none" else "normal",
            }
            axes.text(x + 0.06 * sign, y, value, fontsize=10, **look)
            if x == 0 or (both and x == len(columns) - 1):
                axes.text(
                    x + (0.56 if x == 0 else shift) * sign,
                    y,
                    wrapped(readable(key), 38),
                    fontsize=10,
                    linespacing=0.95,
                    **look,
                )
    axes.set_xlim(-2.7, len(columns) - 1 + (2.14 + shift if both else 0.5))
    axes.set_ylim(max(map(len, columns)) - 0.4, -0.6)
    axes.set_xticks(range(len(columns)), titles, fontweight="bold", fontsize=11)
    axes.tick_params(bottom=False, top=False, labeltop=True, labelbottom=False)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)


def calibration_panel(axes: Axes, rows: Sequence[Row]) -> None:
    """ECE before (hollow) and after (filled), with the floor after as a tick; a row a point, whose names are beside."""
    drawn = []
    for y, point in enumerate(rows):
        ends = [point["metrics"][f"test{suffix}/ece"]["mean"] for suffix in SUFFIX.values()]
        floor = point["metrics"]["test_ts/ece_floor"]["mean"]
        axes.plot(ends, [y, y], color=NEUTRAL, linewidth=1.4, alpha=0.6, zorder=2)
        axes.plot(ends[0], y, "o", color=NEUTRAL, markersize=6.5, fillstyle="none", mew=1.5, zorder=3)
        axes.plot(ends[1], y, "o", color=NEUTRAL, markersize=6.5, zorder=3)
        axes.plot(floor, y, "|", color=INK, markersize=8, zorder=1)
        drawn += [*ends, floor]
    axes.set_yticks(range(len(rows)), [""] * len(rows))
    axes.set_xlabel("ECE")
    values_axis(axes.xaxis, drawn, room=1.25)
    axes.set_ylim(len(rows) - 0.4, -0.6)


def _flag(flip: Row | None) -> str:
    """Whether temperature scaling turns a verdict of better into worse or back, changes it otherwise, or leaves it."""
    if flip is None or "verdict" not in flip["kinds"]:
        return "other"
    return "reversed" if {flip["before"]["verdict"], flip["after"]["verdict"]} == {"better", "worse"} else "verdict"


def _move(gained: int, flip: Row | None) -> str:
    """Places gained or lost, and the change of sign."""
    places = f"{'▲' if gained > 0 else '▼'}{abs(gained)}" if gained else ""
    return f"{places} ±" if flip and "sign" in flip["kinds"] else places
