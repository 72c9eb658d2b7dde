"""Do figures show what the tables say, say what n and the intervals are, and come out the same to the byte?"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from pipeline.metrics.names import MetricName
from pipeline.reporting.figures import canvas, comparison, curves, reliability, study
from pipeline.reporting.figures import rankings as ranking_figures
from pipeline.reporting.figures.study import headline, point_reliability, rankings
from pipeline.reporting.page import SEARCH, SECTION
from pipeline.results.champion import ChampionResults
from pipeline.results.readable_names import readable
from pipeline.results.record import read_record
from pipeline.results.reliability import point_diagrams
from pipeline.results.search import SearchResults
from pipeline.results.series import read_history, sweep_rows
from pipeline.results.study import Ranking, StudyResults
from pipeline.results.summary import summary

ROOT = Path(__file__).parents[2]
DATASETS = ("mixture", "digits")
FIGURES = {name: draw for name, draw in study.FIGURES.items() if name not in SEARCH}  # see test_search_figures
WITH_T_INTERVALS = ("headline", "forest", "curves", "sweeps")
STUDIES = {name: read_record(StudyResults, ROOT / f"reports/{name}/results.json") for name in DATASETS}


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
        search=read_record(SearchResults, ROOT / f"reports/{request.param}/search.json"),
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
from pipeline.results.record import read_record
from pipeline.results.study import StudyResults
with canvas.styled():
    figure = canvas.with_caption(forest(read_record(StudyResults, Path(sys.argv[1]))))
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
    assert {*SECTION, *SEARCH, "headline", "champion"} == set(study.FIGURES)


class TestHeadline:
    def test_marks_stand_where_the_table_says(self) -> None:
        results = STUDIES["mixture"]
        with canvas.styled():
            axes = headline([results]).figure.axes
        rows = [row for row in results.points if not row.duplicate]
        for part, suffix in zip(axes, ("", "_calibrated"), strict=True):
            drawn = {tuple(line.get_xydata()[0]) for line in part.lines if len(line.get_xydata()) == 1}
            means = [
                [
                    row.metrics[MetricName.parse(f"{name}{suffix}/{m}")].mean
                    for name, m in (("gap", "nll"), ("test", "ece"))
                ]
                for row in rows
            ]
            assert {tuple(pair) for pair in means} <= drawn

    def test_fill_and_cross_tell_the_verdict(self) -> None:
        results = STUDIES["digits"]
        with canvas.styled():
            axes = headline([results]).figure.axes[0]
        crosses = {tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "x"}
        full = {tuple(line.get_xydata()[0]) for line in axes.lines if line.get_fillstyle() == "full"} - crosses
        for row in results.points:
            place = tuple(row.metrics[MetricName.parse(name)].mean for name in ("gap/nll", "test/ece"))
            assert row.learned == (row.key != "l2=1")
            if row.against_reference and not row.duplicate and row.learned:
                verdict = row.against_reference[MetricName.parse("test/nll")].verdict
                assert (place in crosses) == (verdict == "worse")
                assert (place in full) == (verdict == "better")

    def test_what_learned_nothing_has_a_mark_of_its_own_and_is_no_better_point(self) -> None:
        results = STUDIES["digits"]
        with canvas.styled():
            axes = headline([results]).figure.axes[0]
        sign = comparison.LOOKS[comparison.NOTHING]["marker"]
        (mark,) = (line for line in axes.lines if line.get_marker() == sign)
        lost = next(row for row in results.points if row.key == "l2=1")
        assert mark.get_xdata()[0] == lost.metrics[MetricName.parse("gap/nll")].mean
        assert not lost.learned

    def test_what_lies_far_outside_is_an_arrow_and_what_matters_is_named(self) -> None:
        results = STUDIES["digits"]
        with canvas.styled():
            before, after = headline([results]).figure.axes
        labels = [text.get_text() for text in after.texts]
        assert "none" in labels
        assert readable(results.answer.key) in labels
        assert sum(text.startswith(("l2 0.1: ", "l2 1: ")) for text in labels) == 2
        assert "l2 1" in [text.get_text() for text in before.texts]

    def test_no_two_variants_share_a_mark(self) -> None:
        marks = canvas.marks(["none", *(f"v{number}" for number in range(30)), "v3"])
        assert len(set(marks.values())) == 31


def test_the_forest_has_every_difference_and_no_other() -> None:
    results = STUDIES["digits"]
    with canvas.styled():
        figure = comparison.forest(results).figure
    rows = [row for row in results.points if row.against_reference and not row.duplicate]
    for axes, name in zip(figure.axes, ("test/nll", "test_calibrated/nll"), strict=True):
        entries = [row.against_reference[MetricName.parse(name)] for row in rows]
        dots = {
            float(y[0]): (float(x[0]), to_hex(line.get_color()))
            for line in axes.lines
            for x, y in [line.get_data()]
            if len(x) == 1
        }
        left, right = axes.get_xlim()
        for place, entry in enumerate(entries):
            if place in dots:
                assert dots[place] == (entry.difference, canvas.VERDICTS[entry.verdict].lower())
            else:
                assert not left <= entry.difference <= right
                assert f"{entry.difference:+.2f}" in texts(figure)
        labels = [text.get_text() for text in axes.texts]
        doubtful = sum(entry.fails_holm for entry in entries)
        assert sum("†" in text for text in labels) == doubtful
        hollow = sum(line.get_fillstyle() == "none" for line in axes.lines if len(line.get_xdata()) == 1)
        assert hollow == sum(entry.verdict == "no evidence" for entry in entries)
        assert len(dots) >= 0.8 * len(entries)


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


class TestReliability:
    def test_dots_are_the_bins_and_empty_ones_are_not_drawn(self, tables: study.StudyTables) -> None:
        diagram = tables.diagrams["none"].before
        with canvas.styled():
            axes = Figure().subplots()
            reliability.diagram_axes(axes, diagram)
        dots = next(line for line in axes.lines if line.get_marker() == "o")
        wanted = [(entry.confidence, entry.accuracy) for entry in diagram.bins]
        assert [tuple(pair) for pair in dots.get_xydata()] == wanted
        assert len(wanted) < 15
        assert axes.get_aspect() == 1.0
        (bars,) = (bar for bar in axes.collections if to_hex(bar.get_edgecolor()[0]) == canvas.BLUE.lower())
        ends = [tuple(segment[:, 1]) for segment in bars.get_segments()]
        assert ends == [(entry.low, entry.high) for entry in diagram.bins]

    def test_the_caption_says_all_that_is_asked(self, tables: study.StudyTables) -> None:
        with canvas.styled():
            drawing = FIGURES["reliability"](tables)
        for part in (
            "15 equal-width bins (a, b]",
            "Wilson",
            "n = ",
            "isotonic",
            "other 3 seeds",
            "consistency resampling",
        ):
            assert part in drawing.caption
        assert "seed 0: ECE 0.200" in texts(drawing.figure)
        assert "all seeds: ECE 0.250" in texts(drawing.figure)

    def test_a_points_own_figure_has_both_stages(self, tables: study.StudyTables) -> None:
        with canvas.styled():
            figure = point_reliability("dropout=0.5", tables.diagrams["none"], "note")
        titles = [axes.get_title(loc="left") for axes in figure.axes]
        assert titles == ["Before calibration", "", "After calibration", ""]

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
