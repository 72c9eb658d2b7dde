"""Figures of a search: do they show what its table says, however small it is, the same to the byte?"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex
from search_tables import alone, changed, without

from pipeline.metrics.names import STAGES, MetricName
from pipeline.reporting.figures import canvas
from pipeline.reporting.figures import search as search_figures
from pipeline.reporting.figures.pareto import pareto
from pipeline.reporting.text.numbers import short
from pipeline.reporting.text.search import tuned
from pipeline.results.readable_names import readable_arms
from pipeline.results.record import read_record
from pipeline.results.search import SearchResults
from pipeline.search.trials import Trial

ROOT = Path(__file__).parents[2]
SEARCHES = {name: read_record(SearchResults, ROOT / f"reports/{name}/search.json") for name in ("mixture", "digits")}
DRAWN: dict[str, Callable[[SearchResults], canvas.Drawing | None]] = {
    "arms": search_figures.arms,
    "interactions": search_figures.interactions,
    "best": lambda search: search_figures.best([search]),
}


@pytest.fixture(params=["mixture", pytest.param("digits", marks=pytest.mark.slow)])
def search(request: pytest.FixtureRequest) -> SearchResults:
    return SEARCHES[request.param]


@pytest.fixture(autouse=True)
def _no_figure_of_pyplots_is_left() -> Iterator[None]:
    yield
    assert plt.get_fignums() == []


def draw(name: str, search: SearchResults) -> canvas.Forms | None:
    with canvas.styled():
        drawing = DRAWN[name](search)
        return None if drawing is None else canvas.forms(drawing)


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_states_n_what_intervals_are_and_the_data(search: SearchResults, name: str) -> None:
    with canvas.styled():
        drawing = DRAWN[name](search)
    assert drawing is not None
    for part in (search.results.dataset.name, "n = 30 paired seeds", "95% Student t interval"):
        assert part in drawing.caption
    assert ("5 seeds" in drawing.caption) == (name == "arms")


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_is_the_same_to_the_byte(name: str) -> None:
    made = [draw(name, SEARCHES["digits"]) for _ in range(2)]
    assert made[0] is not None
    assert made[0] == made[1]
    assert b"<dc:date>" not in made[0].svg
    assert len(made[0].png) < 250_000
    assert len(made[0].bare) < 450_000


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_an_arm_of_which_no_trial_was_completed_is_no_obstacle(search: SearchResults, name: str) -> None:
    assert draw(name, without(search, "dropout")) is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_the_smallest_search_can_be_drawn(search: SearchResults, name: str) -> None:
    assert (draw(name, alone(search)) is None) == (name == "interactions")


def test_differences_have_their_verdicts_colour_and_what_is_recommended_is_the_one_star(search: SearchResults) -> None:
    with canvas.styled():
        axes = search_figures.arms(search).figure.axes[0]
    points = {readable_arms(point.name): point for point in tuned(search)}
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert [label for label in labels if label.endswith(" ★")] == [
        f"{readable_arms(search.results.point(search.results.answer.key).name)} ★"
    ]
    for y, label in enumerate(labels):
        point = points[label.removesuffix(" ★")]
        marks = [line for line in axes.lines if list(line.get_ydata()) == [y]]
        (mark,) = [line for line in marks if line.get_fillstyle() == "full"]
        assert (mark.get_marker() == "*") == label.endswith(" ★")
        if point.name == "none":
            assert list(mark.get_xdata()) == [0]
            continue
        entry = point.against_reference[MetricName("test", "after", "nll")]
        assert list(mark.get_xdata()) == [entry.difference]
        assert to_hex(mark.get_color()) == canvas.VERDICTS[entry.verdict].lower()
        assert len(marks) == 2


def test_hollow_is_as_trained_in_every_panel(search: SearchResults) -> None:
    with canvas.styled():
        _, *panels = search_figures.arms(search).figure.axes
    order = sorted(tuned(search), key=lambda point: point.mean(MetricName("test", "after", "nll")))
    for axes, (split, metric) in zip(panels, (("gap", "nll"), ("test", "ece")), strict=True):
        for y, point in enumerate(order):
            marks = {
                line.get_fillstyle(): line.get_xdata()[0]
                for line in axes.lines
                if list(line.get_ydata()) == [y] and line.get_marker() == "o"
            }
            assert marks["none"] == point.mean(MetricName(split, "before", metric))
            assert marks["full"] == point.mean(MetricName(split, "after", metric))


def test_none_is_starred_where_nothing_is_recommended() -> None:
    search = SEARCHES["digits"]
    leave = changed(search.results.answer, recommendation="leave it unregularized")
    with canvas.styled():
        axes = search_figures.arms(changed(search, results=changed(search.results, answer=leave))).figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels() if "★" in label.get_text()] == ["none ★"]


@pytest.mark.slow
def test_what_is_not_finite_is_said() -> None:
    search = SEARCHES["digits"]
    nothing: dict[str, Any] = {"mean": None, "low": None, "high": None}
    last, loss = tuned(search)[-1], MetricName("test", "after", "nll")
    difference = changed(last.against_reference[loss], difference=None, low=None, high=None)
    broken = changed(
        last,
        metrics={name: changed(summary, **nothing) for name, summary in last.metrics.items()},
        against_reference={**last.against_reference, loss: difference},
    )
    points = tuple(broken if point == last else point for point in search.results.points)
    arm = search.arms[last.name]
    arms = {**search.arms, last.name: changed(arm, optimism=changed(arm.optimism, **nothing))}
    with canvas.styled():
        drawing = search_figures.arms(changed(search, results=changed(search.results, points=points), arms=arms))
        canvas.forms(drawing)
    texts = [text.get_text() for axes in drawing.figure.axes for text in axes.texts]
    assert texts.count("not finite") == 3


def test_the_map_has_the_arms_that_are_stacked_or_else_all_parts(search: SearchResults) -> None:
    """A tuned combination is compared with the best of all its parts, and has a row of its own."""
    (whole,) = (each for each in search.interactions if each.kind == "tuned")
    pair = next(each for each in search.interactions if each.kind == "stacked" and len(each.parts) == 2)
    assert len(whole.parts) > len(pair.parts)
    for interactions, names in (([whole, pair], pair.parts), ([whole], whole.parts)):
        with canvas.styled():
            figure = search_figures.interactions(changed(search, interactions=tuple(interactions))).figure
        shown = [label.get_text() for label in figure.axes[0].get_xticklabels()]
        assert [label.replace("\n", " ") for label in shown] == [readable_arms(name) for name in names]
        assert len(figure.axes[0].patches) == len(names) + len(interactions)


def test_the_map_has_every_combination_once_with_its_number_and_mark(search: SearchResults) -> None:
    with canvas.styled():
        figure = search_figures.interactions(search).figure
    points = {point.name: point for point in search.results.points}
    for axes, stage in zip(figure.axes, STAGES, strict=True):
        metric = MetricName("test", stage, "nll")
        texts = [text.get_text() for text in axes.texts]
        entries = [entry.metrics[metric] for entry in search.interactions]
        singles = {part for entry in search.interactions if entry.kind == "stacked" for part in entry.parts}
        entries += [points[name].against_reference[metric] for name in singles]
        assert len(axes.patches) == len(entries) == len(texts) / 2
        for entry in entries:
            same = entry.low == entry.high == 0
            assert ("same network" if same else short(entry.difference, sign=True) + "†" * entry.fails_holm) in texts
        tints = [to_hex(patch.get_facecolor()) for patch in axes.patches]
        for verdict, tint in search_figures.TINTS.items():
            assert tints.count(tint.lower()) == sum(entry.verdict == verdict for entry in entries)


def test_fronts_are_drawn_where_there_are_two_objectives(search: SearchResults) -> None:
    trials = [
        Trial(arm, 0, "complete", {"nll": 0.5, "calibration": 0.1}, (0.5,), {}, {}, {})
        for arm in (point.name for point in tuned(search))
    ]
    assert pareto(search, trials) is None
    both = search.search.model_copy(update={"objectives": ("nll", "calibration")})
    arms = {
        name: arm.model_copy(update={"front": tuple(row | {"nll": 0.2, "calibration": 0.01} for row in arm.front)})
        for name, arm in search.arms.items()
    }
    with canvas.styled():
        drawing = pareto(search.model_copy(update={"search": both, "arms": arms}), trials)
        assert drawing is not None
        canvas.forms(drawing)
    filled = [line for line in drawing.figure.axes[0].lines if not str(line.get_label()).startswith("_")]
    assert [line.get_label() for line in filled] == [readable_arms(point.name) for point in tuned(search)]
