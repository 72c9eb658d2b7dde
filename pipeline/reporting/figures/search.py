"""What is the best of each regularizer worth, and do they add up? Drawn from the finished table of a search."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from pipeline.reporting.figures.canvas import (
    DARK,
    GREY,
    INK,
    NEUTRAL,
    NOT_HELD,
    SUFFIX,
    VERDICT_WORDS,
    VERDICTS,
    WHEN,
    Drawing,
    Row,
    doubt,
    intervals,
    new_figure,
    verdict_legend,
    verdict_look,
    wrapped,
)
from pipeline.reporting.text.numbers import OBJECTIVES, short
from pipeline.results.rank_changes import is_doubtful
from pipeline.results.readable_names import DAGGER, readable_arms

Search = Mapping[str, Any]
FLOORS = ("#AAAAAA", INK)  # before and after
TINTS = {"better": "#CFE3F1", "worse": "#F8DCC6", "no evidence": "#F0F0F0"}
PLAIN = "#999999"
FADED = 0.35  # of a tint where the verdict does not hold


def arms(search: Search) -> Drawing:
    """The winners against the tuned, unregularized one, their gaps and calibration, and the search's optimism."""
    results, rows, name = search["results"], tuned(search), search["results"]["dataset"]["name"]
    figure = new_figure(13, 0.72 * len(rows) + 4.2)
    (before, after, gap), (ece, optimism, words) = figure.subplots(2, 3, width_ratios=[1, 1, 0.95])
    for axes, when in ((before, "before"), (after, "after")):
        difference_panel(axes, rows, f"test{SUFFIX[when]}/nll")
        axes.set(title=f"{name}: test NLL, {when} scaling")
        axes.set(xlabel="difference from tuned none (nats)")
    pair_panel(gap, rows, "gap{}/nll")
    gap.set(title=f"{name}: generalization gap", xlabel="test NLL − train NLL (nats)")
    pair_panel(ece, rows, "test{}/ece", floor="test{}/ece_floor")
    ece.set(title=f"{name}: calibration error", xlabel="ECE")
    optimism_panel(optimism, [search["arms"][row["name"]]["optimism"] for row in rows])
    objective = search["search"]["objectives"][0]
    optimism.set(title=f"{name}: found → on fresh seeds", xlabel=f"validation {OBJECTIVES[objective]}")
    for axes in (before, ece):
        axes.set_yticks(range(len(rows)), [wrapped(readable_arms(row["name"]), 24) for row in rows])
    for axes in (after, gap, optimism):
        axes.set_yticks(range(len(rows)), [""] * len(rows))
    _legend(words)
    caption = (
        f"The best of each arm by {OBJECTIVES[objective]} on validation rows of {search['search']['seeds']} seeds, "
        f"trained anew on {results['protocol']['seeds']} others. Above: left of the line is better than the tuned, "
        "unregularized network (star); the gap before (hollow) and after temperature scaling (filled). Below: ECE in "
        "the same way, ticks are what calibrated models would be expected to show; and what the search found "
        "(diamond) against the fresh seeds, with Welch's interval of the difference: black where it leaves out 0, "
        f"so that the search was too optimistic. {DAGGER}: {NOT_HELD}. "
        f"{intervals(results)}"
    )
    return Drawing(figure, caption)


def best(searches: Sequence[Search]) -> Drawing:
    """The winners' differences in test NLL before and after temperature scaling: a row of panels a data set."""
    heights = [len(tuned(search)) for search in searches]
    figure = new_figure(10.5, sum(0.36 * height + 1.1 for height in heights) + 0.5)
    panels = figure.subplots(len(searches), 2, squeeze=False, height_ratios=heights)
    for line, search in zip(panels, searches, strict=True):
        rows = tuned(search)
        for axes, when in zip(line, SUFFIX, strict=True):
            difference_panel(axes, rows, f"test{SUFFIX[when]}/nll")
            axes.set(title=f"{search['results']['dataset']['name']}, {WHEN[when]}")
        line[0].set_yticks(range(len(rows)), [readable_arms(row["name"]) for row in rows])
        line[1].set_yticks(range(len(rows)), [""] * len(rows))
    for axes in panels[-1]:
        axes.set_xlabel("difference of test NLL from tuned none (nats)")
    figure.legend(handles=verdict_legend(), loc="outside upper center", ncols=4, columnspacing=1.4)
    notes = " ".join(intervals(search["results"]) for search in searches)
    words = (
        "Each arm at its best, after as many trials as every other, against the tuned, unregularized network (star)."
    )
    return Drawing(figure, f"{words} Left of the line is better. {DAGGER}: {NOT_HELD}. {notes}")


def tuned(search: Search) -> list[Row]:
    """The winners of the arms, in the order of the table: the unregularized one first."""
    return [row for row in search["results"]["points"] if row["kind"] == "tuned"]


def difference_panel(axes: Axes, rows: Sequence[Row], metric: str) -> None:
    """A line an arm, coloured by its verdict; what is the reference itself is a star on its line."""
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    for y, row in enumerate(rows):
        entry = row["against_reference"].get(metric)
        if not row["against_reference"]:
            axes.plot(0, y, "*", color=INK, markersize=13, zorder=4)
        elif not entry or entry["difference"] is None:
            axes.text(0, y, "not finite", ha="center", va="center", fontsize=9, color=GREY)
        else:
            look = verdict_look(entry["verdict"])
            bar: dict[str, Any] = {"color": look["color"], "linewidth": 2, "solid_capstyle": "butt", "zorder": 3}
            axes.plot([entry["low"], entry["high"]], [y, y], **bar)
            axes.plot(entry["difference"], y, markersize=7, zorder=3, **look)
            doubt(axes, entry, entry["difference"], y)
    _finish(axes, len(rows))


def pair_panel(axes: Axes, rows: Sequence[Row], metric: str, *, floor: str = "") -> None:
    """A measure before (hollow) and after temperature scaling (filled), with ticks at a floor."""
    for y, row in enumerate(rows):
        ends = [row["metrics"][metric.format(suffix)] for suffix in SUFFIX.values()]
        if any(end["mean"] is None for end in ends):
            axes.text(0.5, y, "not finite", ha="center", va="center", transform=axes.get_yaxis_transform(), color=GREY)
            continue
        axes.plot([end["mean"] for end in ends], [y, y], color=NEUTRAL, linewidth=1.4, alpha=0.6, zorder=2)
        axes.plot(ends[0]["mean"], y, "o", color=NEUTRAL, markersize=8, fillstyle="none", mew=1.6, zorder=3)
        axes.plot(ends[1]["mean"], y, "o", color=NEUTRAL, markersize=6, zorder=4)
        for suffix, shade in zip(SUFFIX.values() if floor else (), FLOORS, strict=False):
            axes.plot(row["metrics"][floor.format(suffix)]["mean"], y, "|", color=shade, markersize=13, mew=1.8)
    axes.axvline(0, linewidth=0)  # what a gap or an error is compared with
    _finish(axes, len(rows))


def optimism_panel(axes: Axes, found: Sequence[Row]) -> None:
    """What the search found (hollow) and what fresh seeds say (filled, with the interval of the difference)."""
    for y, entry in enumerate(found):
        if entry["searched"] is None or entry["mean"] is None:
            continue
        start, end = entry["searched"], entry["searched"] + entry["mean"]
        colour = INK if (entry["low"] or 0) > 0 else PLAIN
        if entry["low"] is not None:
            axes.plot([start + entry["low"], start + entry["high"]], [y, y], color=colour, linewidth=2, alpha=0.6)
        axes.plot(start, y, "D", color=INK, markersize=7, fillstyle="none", mew=1.4, zorder=4)
        axes.plot(end, y, "o", color=colour, markersize=7, zorder=3)
    _finish(axes, len(found))


def interactions(search: Search) -> Drawing | None:
    """Do regularizers add up? Single arms on the diagonal, stacked pairs below it, whole stacks underneath."""
    parts = {part for entry in search["interactions"] for part in entry["parts"]}
    names = [row["name"] for row in tuned(search) if row["name"] in parts]
    if not names:
        return None
    figure = new_figure(2.6 * len(names) + 2.4, 1.0 * (len(names) + len(_wholes(search))) + 1.9)
    panels = figure.subplots(1, 2)
    for axes, when in zip(panels, SUFFIX, strict=True):
        cells = _cells(search, names, f"test{SUFFIX[when]}/nll")
        for (x, y, width), (entry, against) in cells.items():
            _cell(axes, (x, y, width), entry, against)
        _frame(axes, search, names)
        axes.set_title(f"{search['results']['dataset']['name']}: test NLL {WHEN[when]}", pad=10)
    panels[1].set_yticklabels([])
    handles = [Patch(facecolor=TINTS[verdict], edgecolor=GREY, label=text) for verdict, text in VERDICT_WORDS.items()]
    handles.append(Patch(facecolor=TINTS["better"], alpha=FADED, edgecolor=GREY, label=f"{DAGGER}, paler: {NOT_HELD}"))
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    caption = (
        "Differences of test NLL (nats); negative is better. Diagonal: an arm's winner against the tuned, "
        "unregularized network. Below it: two winners stacked, with the learning rate of the better one, against the "
        "better one alone. Underneath: all together, against the best single one; which of them is better or best is "
        f"said by the search. In brackets: intervals. {DAGGER}: does not hold at 5% once all contenders are taken into "
        "account (Holm). "
        f"{intervals(search['results'])}"
    )
    return Drawing(figure, caption)


def _cells(search: Search, names: Sequence[str], metric: str) -> dict[tuple[float, float, float], tuple[Any, str]]:
    """Where a comparison stands (left, row, width), the comparison, and with what."""
    rows = {row["name"]: row for row in search["results"]["points"]}
    alone = {name: rows[name]["against_reference"].get(metric) for name in names}
    found: dict[tuple[float, float, float], tuple[Any, str]] = {
        (place, place, 1): (alone[name], "none") for place, name in enumerate(names)
    }
    for entry in search["interactions"]:
        if entry not in _wholes(search):
            left, below = sorted(map(names.index, entry["parts"]))
            found[left, below, 1] = (entry["metrics"].get(metric), entry["best_single"])
    for place, entry in enumerate(_wholes(search)):
        whole = (0, len(names) + place + 0.25, len(names))
        found[whole] = (entry["metrics"].get(metric), entry["best_single"])
    return found


def _wholes(search: Search) -> list[Row]:
    """What is more than two arms, or tuned together."""
    return [entry for entry in search["interactions"] if len(entry["parts"]) > 2 or entry["kind"] == "tuned"]


def _cell(axes: Axes, place: tuple[float, float, float], entry: Row | None, against: str) -> None:
    x, y, width = place
    known = entry is not None and entry["difference"] is not None
    verdict = entry["verdict"] if entry and known else "no evidence"
    shade = FADED if entry and known and is_doubtful(entry) else 1
    axes.add_patch(
        Rectangle((x + 0.015, y + 0.015), width - 0.03, 0.97, facecolor=TINTS[verdict], alpha=shade, linewidth=0)
    )
    said, weight, below = "not compared", "normal", f"vs {readable_arms(against)}"
    if entry and known:
        mark = DAGGER if is_doubtful(entry) else ""
        said = f"{short(entry['difference'], sign=True).replace('-', '−')}{mark}"
        weight = "normal" if verdict == "no evidence" or mark else "bold"
        below = f"{_range(entry)}\n{below}"
    if entry and known and entry["low"] == entry["high"] == 0:
        said, weight, below = "same network", "normal", f"vs {readable_arms(against)}"
    colour = DARK.get(VERDICTS[verdict], INK)
    axes.text(
        x + width / 2, y + 0.3, said, ha="center", va="center", color=colour, fontweight=weight,
        fontsize=10.5 if said == "same network" else 13,
    )  # fmt: skip
    axes.text(x + width / 2, y + 0.7, below, ha="center", va="center", fontsize=9.5, color="#333333", linespacing=1.3)


def _range(entry: Row) -> str:
    low, high = (short(entry[end], sign=True).replace("-", "−") for end in ("low", "high"))
    return f"[{low}, {high}]"


def _frame(axes: Axes, search: Search, names: Sequence[str]) -> None:
    """Names beside and above the cells, and nothing else."""
    wholes = [readable_arms(entry["name"]) if entry["kind"] == "tuned" else "all stacked" for entry in _wholes(search)]
    places = [place + 0.5 for place in range(len(names))]
    below = [len(names) + place + 0.75 for place in range(len(wholes))]
    axes.set(xlim=(0, len(names)), ylim=(len(names) + len(wholes) + 0.25, 0))
    axes.set_xticks(places, [wrapped(readable_arms(name), 12) for name in names])
    axes.set_yticks([*places, *below], [wrapped(name, 14) for name in [*map(readable_arms, names), *wholes]])
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _finish(axes: Axes, count: int) -> None:
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=5)
    axes.set_ylim(count - 0.4, -0.6)


def _legend(axes: Axes) -> None:
    """What marks mean, in a panel of its own."""
    looks: dict[str, Any] = {
        "tuned, unregularized": {"marker": "*", "color": INK, "markersize": 13},
        "before temperature scaling": {"marker": "o", "color": NEUTRAL, "fillstyle": "none", "mew": 1.6},
        "after temperature scaling": {"marker": "o", "color": NEUTRAL},
        "floor of the ECE, before": {"marker": "|", "color": FLOORS[0], "markersize": 13, "mew": 1.8},
        "floor of the ECE, after": {"marker": "|", "color": FLOORS[1], "markersize": 13, "mew": 1.8},
        "found by the search": {"marker": "D", "color": INK, "fillstyle": "none"},
        "on fresh seeds": {"marker": "o", "color": PLAIN, "linestyle": "-"},
        "on fresh seeds, clearly less good": {"marker": "o", "color": INK, "linestyle": "-"},
    }
    others = [Line2D([], [], **{"linestyle": "", **look}, label=text) for text, look in looks.items()]
    axes.legend(handles=[*verdict_legend(), *others], loc="center", handlelength=1.8, labelspacing=0.5)
    axes.axis("off")
