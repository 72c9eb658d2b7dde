"""Do figures show what the tables say, say what n and the intervals are, and come out the same to the byte?"""

import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from pipeline.metrics.names import MetricName
from pipeline.reporting.figures import canvas, comparison, curves, reliability, study
from pipeline.reporting.figures import rankings as ranking_figures
from pipeline.reporting.figures.study import headline, point_reliability, rankings
from pipeline.reporting.page import SEARCH, SECTION
from pipeline.reporting.text.numbers import short_interval
from pipeline.results.champion import ChampionResults
from pipeline.results.readable_names import readable, readable_arms
from pipeline.results.record import read_record
from pipeline.results.reliability import point_diagrams
from pipeline.results.search import SearchResults
from pipeline.results.series import read_history, sweep_rows
from pipeline.results.study import Ranking, StudyResults
from pipeline.results.study_files import read_study
from pipeline.results.summary import summary

ROOT = Path(__file__).parents[2]
DATASETS = ("mixture", "digits")
OTHERS = (*SEARCH, "champion")  # see test_search_figures and test_champion_text
FIGURES = {name: draw for name, draw in study.FIGURES.items() if name not in OTHERS}
WITH_T_INTERVALS = ("forest", "curves", "sweeps")
SEARCHES = {name: read_record(SearchResults, ROOT / f"reports/{name}/search.json") for name in DATASETS}
STUDIES = {name: read_study(ROOT / f"reports/{name}/results.json") for name in DATASETS}


def diagrams(results: StudyResults) -> dict[str, Any]:
    """Diagrams of made-up seeds for every point: their shape is what matters here."""
    rng = np.random.default_rng(0)
    count = rng.integers(0, 90, (4, 15)).astype(float)
    count[:, 3] = 0
    middle = np.where(count > 0, (np.arange(15) + 0.5) / 15, np.nan)
    curves = {"confidence": middle, "accuracy": middle**2, "count": count, "exact": middle**2}
    curves["isotonic"] = np.where(np.linspace(0, 1, 101) > 0.1, np.linspace(0, 1, 101), np.nan) * np.ones((4, 1))
    scores = {name: np.array([0.2, 0.1, 0.4, 0.3]) for name in ("ece", "ece_floor", "ece_p", "accuracy", "bias")}
    both = [
        {f"{stage}/{n}": v for stage in ("test", "test_calibrated") for n, v in part.items()}
        for part in (curves, scores)
    ]
    both_stages = point_diagrams(*both)
    return dict.fromkeys((row.key for row in results.points), both_stages)


@pytest.fixture(scope="module", params=["mixture", pytest.param("digits", marks=pytest.mark.slow)])
def tables(request: pytest.FixtureRequest) -> study.StudyTables:
    results = STUDIES[request.param]
    return study.StudyTables(
        results=results,
        diagrams=diagrams(results),
        history=read_history(ROOT / f"reports/plots/history/{request.param}.csv"),
        sweeps=sweep_rows(results),
        search=SEARCHES[request.param],
        trials=(),
        champion=read_record(ChampionResults, ROOT / f"reports/{request.param}/champion.json"),
    )


def texts(figure: Figure) -> str:
    return " ".join(
        text.get_text() for axes in figure.axes for text in (*axes.texts, axes.title, *axes.get_yticklabels())
    )


class TestEveryFigure:
    @pytest.mark.parametrize("name", FIGURES)
    def test_states_n_the_intervals_and_the_data(self, tables: study.StudyTables, name: str) -> None:
        with canvas.styled():
            drawing = FIGURES[name](tables)
        assert drawing is not None
        protocol, data = tables.results.protocol, tables.results.dataset
        drawn_from = f"n = {protocol.seeds} paired seeds", f"{data.train} training"
        if name == "champion":  # one model, judged row by row
            drawn_from = (f"intervals over {tables.champion.test:,} rows",)
        for part in (data.name, *drawn_from):
            assert part in drawing.caption
        assert ("95% Student t interval" in drawing.caption) == (name in WITH_T_INTERVALS)
        assert ("widened" in drawing.caption) == (protocol.correction != "none" and name in WITH_T_INTERVALS)
        assert ("validation rows, 95%" in drawing.caption) == (name == "curves")

    @pytest.mark.slow
    @pytest.mark.parametrize("name", FIGURES)
    def test_is_the_same_to_the_byte_and_holds_no_date(self, tables: study.StudyTables, name: str) -> None:
        made = []
        for _ in range(2):
            with canvas.styled():
                made.append(canvas.forms(FIGURES[name](tables)))
        assert made[0] == made[1]
        assert b"<dc:date>" not in made[0][0]
        assert b"Matplotlib v" not in made[0][0]
        assert made[0][1].startswith(b"\x89PNG")
        assert len(made[0][1]) < 250_000
        assert len(made[0][0]) < len(made[0][2])

    @pytest.mark.slow
    def test_the_users_own_settings_change_nothing(self, tmp_path: Path) -> None:
        """A matplotlibrc, a backend and another folder; a fresh interpreter each."""
        (tmp_path / "matplotlibrc").write_text("font.size: 30\naxes.facecolor: red\nsavefig.dpi: 300\n")
        code = """
import hashlib, json, sys
from pathlib import Path
from pipeline.reporting.figures import canvas
from pipeline.reporting.figures.comparison import forest
from pipeline.results.study_files import read_study
with canvas.styled():
    figure = canvas.with_caption(forest(read_study(Path(sys.argv[1]))))
    print(hashlib.sha256(canvas.png(figure) + canvas.svg(figure)).hexdigest())
"""
        command = [sys.executable, "-c", code, str(ROOT / "reports/mixture/results.json")]
        environments = ({}, {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "MPLBACKEND": "svg"})
        digests = {
            subprocess.run(
                command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), **extra},
                capture_output=True, text=True, check=True,
            ).stdout
            for extra in environments
        }  # fmt: skip
        assert len(digests) == 1


def test_the_page_shows_every_figure_of_a_data_set_but_the_headline() -> None:
    assert {*SECTION, *OTHERS, "headline"} == set(study.FIGURES)


class TestHeadline:
    @pytest.mark.parametrize("dataset", DATASETS)
    def test_hollow_marks_stand_as_trained_and_filled_after_calibration(self, dataset: str) -> None:
        search = SEARCHES[dataset]
        with canvas.styled():
            (axes,) = headline([search]).figure.axes
        drawn = [line for line in axes.lines if len(line.get_xdata()) == 1]
        hollow = {tuple(line.get_xydata()[0]) for line in drawn if line.get_fillstyle() == "none"}
        full = {tuple(line.get_xydata()[0]) for line in drawn if line.get_fillstyle() == "full"}
        arms = [point for point in search.results.points if point.kind == "tuned"]
        for places, stage in ((hollow, "before"), (full, "after")):
            names = MetricName("gap", "before", "nll"), MetricName("test", stage, "ece")
            assert places == {tuple(arm.mean(name) for name in names) for arm in arms}

    def test_every_arm_is_named_once_and_what_is_recommended_is_the_one_star(self) -> None:
        search = SEARCHES["digits"]
        with canvas.styled():
            (axes,) = headline([search]).figure.axes
        labels = [text.get_text() for text in axes.texts]
        star = readable_arms(search.results.point(search.results.answer.key).name)
        names = {readable_arms(point.name) for point in search.results.points if point.kind == "tuned"}
        assert sorted(labels) == sorted({*names - {star}, f"{star} ★"})
        (mark,) = (line for line in axes.lines if line.get_marker() == "*")
        chosen = search.results.point(search.results.answer.key)
        assert mark.get_ydata()[0] == chosen.mean(MetricName("test", "after", "ece"))

    def test_no_two_labels_overlap(self) -> None:
        with canvas.styled():
            figure = headline(list(SEARCHES.values())).figure
            FigureCanvasAgg(figure).draw()
            for axes in figure.axes:
                boxes = [text.get_window_extent().shrunk(0.98, 0.8) for text in axes.texts]
                assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_forest_has_every_difference_with_its_number_beside_it(dataset: str) -> None:
    results = STUDIES[dataset]
    with canvas.styled():
        (axes,) = comparison.forest(results).figure.axes
    named = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    rows = {readable(row.key): row for row in results.points if row.against_reference and not row.duplicate}
    rows = {name: row for name, row in rows.items() if not row.a_a}
    assert sorted(named) == sorted(rows)
    after = [rows[name].against_reference[MetricName("test", "after", "nll")] for name in named]
    assert [entry.difference for entry in after] == sorted(entry.difference for entry in after)
    beside = {text.get_position()[1]: text.get_text() for text in axes.texts if "calibration" not in text.get_text()}
    marks = {int(y[0]): line for line in axes.lines for y in [line.get_ydata()] if _is_filled_mark(line)}
    left, right = axes.get_xlim()
    for y, entry in enumerate(after):
        wanted = short_interval(entry.difference, entry, sign=True) + "†" * entry.fails_holm
        assert beside[y] == wanted
        assert to_hex(marks[y].get_color()) == canvas.VERDICTS[entry.verdict].lower()
        assert marks[y].get_xdata()[0] == min(max(entry.difference, left), right)
    assert sum(line.get_fillstyle() == "none" for line in axes.lines) == len(rows)


def _is_filled_mark(line: Any) -> bool:
    return len(line.get_xdata()) == 1 and line.get_fillstyle() == "full"


class TestRanks:
    @pytest.mark.parametrize("dataset", DATASETS)
    def test_every_change_of_rank_sign_and_verdict_is_flagged(self, dataset: str) -> None:
        results = STUDIES[dataset]
        order = results.ranking["nll"]
        with canvas.styled():
            axes = ranking_figures.calibration(results).figure.axes[0]
        after = {round(t.get_position()[1]): t.get_text() for t in axes.texts if 1 < t.get_position()[0] < 1.5}
        colours = {tuple(line.get_ydata()): to_hex(line.get_color()) for line in axes.lines}
        flips = {flip.key: flip for flip in results.verdict_changes if flip.metric == "nll"}
        for place, key in enumerate(order.after):
            gained = order.before.index(key) - place
            assert (f"▲{gained}" in after[place]) == (gained > 0)
            assert (f"▼{-gained}" in after[place]) == (gained < 0)
            kinds = flips[key].changed if key in flips else ()
            assert ("±" in after[place]) == ("sign" in kinds)
            if key != "none":
                verdicts = {flips[key].before.verdict, flips[key].after.verdict} if "verdict" in kinds else set()
                kind = "other" if not verdicts else "reversed" if verdicts == {"better", "worse"} else "verdict"
                assert colours[place + gained, place] == ranking_figures.FLAGS[kind].lower()

    def test_rankings_name_every_point_on_both_sides(self) -> None:
        studies = list(STUDIES.values())
        shared = summary(studies)
        with canvas.styled():
            figure = rankings(shared, studies).figure
        shown = texts(figure).replace("\n", " ")
        for key in shared.ranking["mixture"]:
            assert shown.count(ranking_figures.readable(key)) >= 2


class TestCurvesAndSweeps:
    def test_curves_follow_the_table(self, tables: study.StudyTables) -> None:
        with canvas.styled():
            figure = curves.curves(tables.results, tables.history).figure
        axes = next(axes for axes in figure.axes if axes.get_title(loc="left") == "dropout")
        for split in ("train", "validation"):
            rows = [
                r for r in tables.history if r.name == "dropout=0.5" and r.metric == MetricName(split, "before", "nll")
            ]
            wanted = [(row.epoch, row.mean) for row in rows]
            assert any([tuple(pair) for pair in line.get_xydata()] == wanted for line in axes.lines)

    def test_nothing_swept_draws_nothing(self, tables: study.StudyTables) -> None:
        assert curves.sweeps(tables.results, []) is None

    def test_a_sweep_has_its_values_in_rising_order(self, tables: study.StudyTables) -> None:
        with canvas.styled():
            figure = curves.sweeps(tables.results, tables.sweeps).figure
        assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0", "0.2", "0.5", "0.8"]
        named = {axes.get_xlabel() for axes in figure.axes}
        assert named == {"dropout", "weight decay", "l2", "label smoothing"}

    def test_strengths_have_shades_and_kinds_have_colours(self) -> None:
        assert set(curves._colours(["dropout=0", "dropout=0.5"])) <= set(curves.SHADES)
        assert curves._colours(["mixup=0.4", "noise=0.5"]) == list(canvas.COLOURS[:2])
        assert curves._colours(["early_stopping=nll", "early_stopping=nll_calibrated"]) == list(canvas.COLOURS[:2])


def test_labels_are_in_as_few_lines_as_fit_and_leave_no_word_alone() -> None:
    for text, width in (("none", 4), ("a bb ccc dddd", 7), ("dropout 0.5 + max norm 3", 20), ("", 5)):
        assert canvas.wrapped(text, width).replace("\n", " ") == text
    assert (
        canvas.wrapped("dropout 0.5 + input dropout 0.2 + max norm 3", 38).split("\n")[1] == "dropout 0.2 + max norm 3"
    )


@pytest.mark.parametrize(("low", "high"), [(0.4, 0.5), (0.15, 2.6), (1e-4, 30.0), (0.011, 0.35)])
def test_ticks_of_logarithmic_axes_are_few_and_in_range(low: float, high: float) -> None:
    numbers = canvas.round_numbers(low, high)
    assert 2 <= len(numbers) <= 6
    assert all(low <= value <= high for value in numbers)


def _is_blue(bars: LineCollection) -> bool:
    return to_hex(bars.get_edgecolor()[0]) == canvas.BLUE.lower()


class TestReliability:
    def test_dots_are_the_bins_and_empty_ones_are_not_drawn(self, tables: study.StudyTables) -> None:
        both = tables.diagrams["none"]
        with canvas.styled():
            axes = Figure().subplots()
            reliability.diagram_axes(axes, both)
        dots = {line.get_fillstyle(): line for line in axes.lines if line.get_marker() == "o"}
        for fillstyle, diagram in (("none", both.before), ("full", both.after)):
            wanted = [(entry.confidence, entry.accuracy) for entry in diagram.bins]
            assert [tuple(pair) for pair in dots[fillstyle].get_xydata()] == wanted
            assert len(wanted) < 15
        assert axes.get_aspect() == 1.0
        bars = next(bar for bar in axes.collections if isinstance(bar, LineCollection) and _is_blue(bar))
        ends = [tuple(segment[:, 1]) for segment in bars.get_segments()]
        assert ends == [(entry.low, entry.high) for entry in both.after.bins]

    def test_the_axes_begin_where_the_rows_do(self, tables: study.StudyTables) -> None:
        both = tables.diagrams["none"]
        with canvas.styled():
            axes = Figure().subplots()
            reliability.diagram_axes(axes, both)
        lowest = min(min(b.confidence, b.accuracy) for diagram in (both.before, both.after) for b in diagram.bins)
        assert lowest - 0.07 < axes.get_xlim()[0] <= max(lowest, 0)
        assert axes.get_xlim() == axes.get_ylim()

    def test_the_caption_says_all_that_is_asked(self, tables: study.StudyTables) -> None:
        with canvas.styled():
            drawing = FIGURES["reliability"](tables)
        for part in ("bins of equal mass", "Wilson", "n = ", "nine in ten of 4 seeds"):
            assert part in drawing.caption
        assert "as trained: ECE .250" in texts(drawing.figure)

    def test_a_points_own_figure_has_its_name(self, tables: study.StudyTables) -> None:
        with canvas.styled():
            figure = point_reliability("dropout=0.5", tables.diagrams["none"], "note")
        assert [axes.get_title(loc="left") for axes in figure.axes] == ["dropout 0.5"]

    def test_no_finite_seed_draws_nothing(self, tables: study.StudyTables) -> None:
        nothing = replace(tables, diagrams=dict.fromkeys(tables.diagrams))
        assert FIGURES["reliability"](nothing) is None


@pytest.mark.slow
def test_two_or_three_points_without_a_sweep_can_be_drawn(tables: study.StudyTables) -> None:
    """The smallest study that there can be."""
    results = tables.results
    points = tuple(point for point in results.points if point.key in ("none", "noise=0.5"))
    keys = tuple(key for key in results.ranking["nll"].after if key in ("none", "noise=0.5"))
    few = results.model_copy(
        update={
            "points": points,
            "ranking": {"nll": Ranking(before=keys, after=keys)},
            "verdict_changes": (),
            "answer": results.answer.model_copy(update={"key": "none"}),
        }
    )
    history = [row for row in tables.history if row.name in ("none", "noise=0.5")]
    with canvas.styled():
        for name, draw in FIGURES.items():
            drawing = draw(replace(tables, results=few, history=history, sweeps=[]))
            assert (drawing is None) == (name == "sweeps")
            if drawing:
                canvas.png(canvas.with_caption(drawing))


@pytest.mark.parametrize("text", ["<=$50K and >$50K", "$x_$", r"$\frac{$", "a $ b", r"$\nothing{x}$ costs $5"])
def test_dollars_are_no_formulas(text: str) -> None:
    with canvas.styled():
        figure = canvas.new_figure(4, 3)
        axes = figure.subplots()
        axes.plot([1, 2], [1, 100], label=text)
        axes.set_yscale("log")
        axes.set_title(text)
        axes.set_xticks([1, 2], [text, "b"])
        axes.legend()
        drawn = canvas.forms(canvas.Drawing(figure, text))
    shown = [each.strip() for each in ElementTree.fromstring(drawn.bare).itertext() if each.strip()]
    assert shown.count(text) == 3
    assert not [each for each in shown if "mathdefault" in each]
