"""The model that is handed over: its loss beside that of others, and a reliability diagram of its probabilities."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.reporting.figures.canvas import BLUE, GREY, INK, ORANGE, Drawing
from pipeline.reporting.figures.reliability import draw_bins
from pipeline.reporting.text.numbers import short, short_interval
from pipeline.results.champion import ChampionResults, Contender
from pipeline.results.readable_names import readable

_WIDTH, _HEIGHT, _SQUARE = 10.4, 4.5, 3.4  # inches


def champion(results: ChampionResults) -> Drawing:
    """A forest of test losses with the champion first, and its reliability diagram, laid out by hand."""
    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    forest = figure.add_axes((2.0 / _WIDTH, 0.65 / _HEIGHT, 2.1 / _WIDTH, _SQUARE / _HEIGHT))
    _forest(forest, [results.champion, *sorted(results.contenders, key=lambda each: each.nll.mean)])
    square = figure.add_axes(((_WIDTH - _SQUARE - 0.15) / _WIDTH, 0.65 / _HEIGHT, _SQUARE / _WIDTH, _SQUARE / _HEIGHT))
    _reliability(square, results)
    return Drawing(figure, _caption(results))


def _forest(axes: Axes, contenders: list[Contender]) -> None:
    """A row each: dot, interval, and the loss less the champion's in figures."""
    first = contenders[0]
    for place, each in enumerate(contenders):
        colour = INK if each is first else _colour(each)
        axes.plot([each.nll.low, each.nll.high], [place, place], color=colour, linewidth=2)
        axes.plot(
            each.nll.mean, place, "*" if each is first else "o", color=colour, markersize=13 if each is first else 6
        )
        told = short(each.nll.mean) if each is first else _difference(each)
        axes.annotate(told, (1.03, place), xycoords=("axes fraction", "data"), va="center", fontsize=10, color=colour)
    axes.set_yticks(range(len(contenders)), [readable(each.name) for each in contenders])
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set_ylim(len(contenders) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel("test NLL (nats)")
    axes.annotate("minus champion’s", (1.03, 1.02), xycoords="axes fraction", fontsize=10, va="bottom")
    axes.grid(visible=False, axis="y")


def _difference(each: Contender) -> str:
    same = each.difference.low == each.difference.high == 0
    return "the same" if same else short_interval(each.difference.mean, each.difference, sign=True)


def _colour(each: Contender) -> str:
    """Of a model that is worse than the champion, better, or neither."""
    return BLUE if each.difference.low > 0 else ORANGE if each.difference.high < 0 else GREY


def _reliability(axes: Axes, results: ChampionResults) -> None:
    event, two = results.calibration.event, len(results.classes) == 2
    draw_bins(axes, results.calibration.diagram.bins, results.calibration.diagram.isotonic)
    axes.tick_params(labelbottom=True)
    axes.set(
        xlabel=f"P({results.classes[1]})" if two else "confidence",
        ylabel="how often it came true" if two else "accuracy",
    )
    text = f"ECE {short(event.error)}, chance alone {short(event.floor)}"
    axes.text(0, 1.02, text, ha="left", va="bottom", fontsize=10, transform=axes.transAxes)


def _caption(results: ChampionResults) -> str:
    return (
        f"Left: test NLL with 95% intervals over {results.test:,} rows of {results.dataset}, and paired differences "
        "from the champion’s (blue: shown to be worse than it). Right: its reliability in bins of equal mass; 95% of "
        "calibrated models have all bins in the grey band. Orange: isotonic regression."
    )
