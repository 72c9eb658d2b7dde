"""Do figures and words of a search say what its table says, however small it is, and are they the same to the byte?"""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from pipeline.config.decay_timescale import decay_timescale, zones
from pipeline.config.search_space import Dimension, Search
from pipeline.core.files import read_csv
from pipeline.reporting.figures import canvas, slices
from pipeline.reporting.figures import search as search_figures
from pipeline.reporting.figures import trials as trial_figures
from pipeline.results.readable_names import readable_arms
from pipeline.search.trials import columns, numbers

ROOT = Path(__file__).parents[2]
DATASETS = ("mixture", "digits")
Tables = tuple[dict[str, Any], list[dict[str, Any]]]
DRAWN = {
    "arms": lambda found, trials: search_figures.arms(found),
    "interactions": lambda found, trials: search_figures.interactions(found),
    "history": trial_figures.history,
    "importances": trial_figures.importances,
    "slices": slices.slices,
    "contours": slices.contours,
    "best": lambda found, trials: search_figures.best([found]),
}


def tables(dataset: str) -> Tables:
    found = json.loads((ROOT / f"reports/{dataset}/search.json").read_text())
    search = Search.model_validate(found["search"])
    names = numbers(columns(search, search.pruner.rungs(found["results"]["points"][0]["parameters"]["epochs"])))
    return found, read_csv(ROOT / f"reports/{dataset}/trials.csv", numbers=names)


BOTH = {name: tables(name) for name in DATASETS}


@pytest.fixture(params=DATASETS)
def both(request: pytest.FixtureRequest) -> Tables:
    return copy.deepcopy(BOTH[request.param])


@pytest.fixture(autouse=True)
def _no_figure_of_pyplots_is_left() -> Any:
    yield
    assert plt.get_fignums() == []


def without(found: dict[str, Any], trials: list[dict[str, Any]], *arms: str) -> Tables:
    """The tables of a search in which all trials of some arms diverged: they are not in `arms`, only among trials."""
    failed = [row | dict.fromkeys(("nll", "rung/15", "rung/30")) | {"state": "failed"} for row in trials]
    found["arms"] = {arm: row for arm, row in found["arms"].items() if arm not in arms}
    gone = [row for row in found["results"]["points"] if set(row["name"].split("+")) & set(arms)]
    found["results"]["points"] = [row for row in found["results"]["points"] if row not in gone]
    found["pairs"] = [entry for entry in found["pairs"] if not {entry["a"], entry["b"]} & set(arms)]
    found["interactions"] = [e for e in found["interactions"] if not {e["name"], *e["parts"]} & set(arms)]
    return found, [bad if row["arm"] in arms else row for row, bad in zip(trials, failed, strict=True)]


def alone(found: dict[str, Any], trials: list[dict[str, Any]]) -> Tables:
    """The smallest search: nothing but the learning rate of the unregularized network."""
    others = [arm for arm in found["search"]["arms"] if arm != "none"]
    found, trials = without(found, trials, *others)
    found["search"]["arms"] = {"none": []}
    return found, [row for row in trials if row["arm"] == "none"]


def two_objectives(found: dict[str, Any], trials: list[dict[str, Any]]) -> Tables:
    found["search"] |= {"objectives": ["nll", "calibration"], "pruner": {"kind": "none", "first": 15, "factor": 2}}
    for arm in found["arms"].values():
        arm["front"] = [row | {"calibration": 0.01} for row in arm["front"]]
    return found, [row | {"calibration": row["nll"] and row["nll"] / 9} for row in trials]


def draw(name: str, both: Tables) -> canvas.Forms | None:
    with canvas.styled():
        drawing = DRAWN[name](*both)
        return drawing and canvas.forms(drawing)


@pytest.mark.slow
class TestEveryFigure:
    @pytest.mark.parametrize("name", DRAWN)
    def test_states_n_what_intervals_are_and_the_data(self, both: Tables, name: str) -> None:
        with canvas.styled():
            words = DRAWN[name](*both).caption
        assert both[0]["results"]["dataset"]["name"] in words
        assert ("n = 30 paired seeds" in words) == (name != "importances")
        assert ("95% Student t interval" in words) == (name in ("arms", "interactions", "best"))
        of_trials = name in ("history", "slices", "contours", "importances")
        assert ("30 trials an arm" in words) == of_trials
        assert ("5 seeds" in words) == (of_trials or name == "arms")

    @pytest.mark.slow
    @pytest.mark.parametrize("name", DRAWN)
    def test_is_the_same_to_the_byte(self, name: str) -> None:
        made = [draw(name, BOTH["digits"]) for _ in range(2)]
        assert made[0] == made[1]
        assert b"<dc:date>" not in made[0].svg
        assert len(made[0].png) < 250_000
        assert len(made[0].bare) < 450_000

    @pytest.mark.slow
    def test_the_users_own_settings_change_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "matplotlibrc").write_text("font.size: 30\naxes.facecolor: red\nsavefig.dpi: 300\n")
        code = """
import hashlib
from reporting.test_search_figures import BOTH, DRAWN, canvas
with canvas.styled():
    for name in ("history", "importances", "slices", "contours"):
        print(hashlib.sha256(canvas.forms(DRAWN[name](*BOTH["mixture"])).png).hexdigest())
"""
        found = {
            subprocess.run(
                [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
                env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", **extra},
            ).stdout
            for extra in ({}, {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "MPLBACKEND": "tkagg"})
        }  # fmt: skip
        assert len(found) == 1

    @pytest.mark.parametrize("name", DRAWN)
    def test_an_arm_of_which_no_trial_was_completed_is_no_obstacle(self, both: Tables, name: str) -> None:
        assert draw(name, without(*both, "dropout")) is not None

    @pytest.mark.parametrize("name", DRAWN)
    def test_the_smallest_search_can_be_drawn(self, both: Tables, name: str) -> None:
        made = draw(name, alone(*both))
        assert (made is None) == (name in ("interactions", "importances", "contours"))

    @pytest.mark.parametrize("name", ["history", "slices", "contours", "importances"])
    def test_two_objectives_are_drawn_by_the_first(self, both: Tables, name: str) -> None:
        assert draw(name, two_objectives(*both)) is not None

    def test_optunas_style_stays_with_optuna(self) -> None:
        with canvas.styled():
            before = dict(plt.rcParams)
            slices.slices(*BOTH["mixture"])
            assert dict(plt.rcParams) == before


class TestArms:
    def test_differences_have_their_verdicts_colour_and_fill(self, both: Tables) -> None:
        found = both[0]
        with canvas.styled():
            figure = search_figures.arms(found).figure
        for axes, metric in zip(figure.axes, ("test/nll", "test_ts/nll"), strict=False):
            for y, row in enumerate(search_figures.tuned(found)):
                marks = [line for line in axes.lines if list(line.get_ydata()) == [y]]
                (mark,) = marks
                if row["name"] == "none":
                    assert (mark.get_marker(), list(mark.get_xdata())) == ("*", [0])
                    continue
                entry = row["against_reference"][metric]
                assert list(mark.get_xdata()) == [entry["difference"]]
                assert to_hex(mark.get_color()) == canvas.VERDICTS[entry["verdict"]].lower()
                assert (mark.get_fillstyle() == "none") == (entry["verdict"] == "no evidence")

    def test_optimism_goes_from_what_was_found_to_the_fresh_seeds(self) -> None:
        found = BOTH["digits"][0]
        with canvas.styled():
            axes = search_figures.arms(found).figure.axes[4]
        rows = search_figures.tuned(found)
        for y, row in enumerate(rows):
            entry = found["arms"][row["name"]]["optimism"]
            ends = [line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [y]]
            assert ends == pytest.approx([entry["searched"], entry["searched"] + entry["mean"]])
            assert ends[1] == pytest.approx(row["metrics"]["validation/nll"]["mean"], rel=1e-4)

    def test_what_is_not_finite_is_said(self) -> None:
        found = copy.deepcopy(BOTH["digits"][0])
        row = search_figures.tuned(found)[-1]
        row["metrics"] = {name: dict.fromkeys(entry) for name, entry in row["metrics"].items()}
        row["against_reference"]["test/nll"] |= {"difference": None, "low": None, "high": None}
        found["arms"][row["name"]]["optimism"] |= {"mean": None, "low": None, "high": None}
        with canvas.styled():
            drawing = search_figures.arms(found)
            canvas.forms(drawing)
        said = [text.get_text() for axes in drawing.figure.axes for text in axes.texts]
        assert said.count("not finite") == 3


def test_the_map_has_every_combination_once_with_its_number_and_mark(both: Tables) -> None:
    found = both[0]
    with canvas.styled():
        figure = search_figures.interactions(found).figure
    names = {row["name"]: row for row in found["results"]["points"]}
    for axes, metric in zip(figure.axes, ("test/nll", "test_ts/nll"), strict=True):
        said = [text.get_text() for text in axes.texts]
        entries = [entry["metrics"][metric] for entry in found["interactions"]]
        singles = {part for entry in found["interactions"] for part in entry["parts"]}
        entries += [names[name]["against_reference"][metric] for name in singles]
        assert len(axes.patches) == len(entries) == len(said) / 2
        for entry in entries:
            same = entry["low"] == entry["high"] == 0
            number = "same network" if same else search_figures.short(entry["difference"], sign=True).replace("-", "−")
            wanted = "same network" if same else number + "†" * search_figures.is_doubtful(entry)
            assert wanted in said
        tints = [to_hex(patch.get_facecolor()) for patch in axes.patches]
        for verdict, tint in search_figures.TINTS.items():
            assert tints.count(tint.lower()) == sum(entry["verdict"] == verdict for entry in entries)


class TestTrials:
    def test_history_has_every_trial_that_was_measured(self, both: Tables) -> None:
        found, trials = both
        with canvas.styled():
            figure = trial_figures.history(found, trials).figure
        for axes, arm in zip(figure.axes, dict.fromkeys(row["arm"] for row in trials), strict=True):
            own = [row for row in trials if row["arm"] == arm]
            done = [(row["trial"], row["nll"]) for row in own if row["state"] == "complete"]
            assert [tuple(pair) for pair in axes.collections[0].get_offsets()] == done
            (pruned,) = (line for line in axes.lines if line.get_marker() == "o")
            assert len(pruned.get_xdata()) == sum(row["state"] == "pruned" for row in own)
            best = [line for line in axes.lines if to_hex(line.get_color()) == canvas.ORANGE.lower()]
            assert best[0].get_ydata()[-1] == pytest.approx(found["arms"][arm]["value"], rel=1e-4)

    def test_bars_are_the_tables_shares_and_their_absence_is_said(self, both: Tables) -> None:
        found, trials = both
        with canvas.styled():
            figure = trial_figures.importances(found, trials).figure
        for axes in figure.axes:
            arm = next(arm for arm in found["arms"] if readable_arms(arm) == axes.get_title(loc="left"))
            shares = found["arms"][arm]["importances"]
            if shares is None:
                told = f"{found['arms'][arm]['trials']['complete']} of 30 trials completed: too few to tell"
                assert [text.get_text() for text in axes.texts] == [told]
            else:
                widths = [bar.get_width() for bar in axes.patches]
                assert widths == pytest.approx(sorted(shares.values()), rel=1e-4)

    def test_fronts_are_drawn_where_there_are_two_objectives(self, both: Tables) -> None:
        with canvas.styled():
            assert trial_figures.pareto(*both) is None
            found, trials = two_objectives(*both)
            drawing = trial_figures.pareto(found, trials)
            canvas.forms(drawing)
        filled = [line for line in drawing.figure.axes[0].lines if not line.get_label().startswith("_")]
        assert [line.get_label() for line in filled] == [
            readable_arms(row["name"]) for row in search_figures.tuned(found)
        ]

    def test_a_study_in_memory_is_not_announced(self, capfd: pytest.CaptureFixture[str]) -> None:
        with canvas.styled():
            trial_figures.history(*BOTH["mixture"])
        assert capfd.readouterr() == ("", "")


class TestSlices:
    @pytest.mark.parametrize("epochs", [1, 60, 1000])
    def test_zones_of_decay_begin_where_the_warnings_do(self, epochs: int) -> None:
        for end, inside, word in zip(zones(epochs), (0.999, 1.001), ("too strong", "no-op"), strict=True):
            warnings = []
            for factor in (inside, 1 / inside):
                point = {"learning_rate": 0.01, "batch_size": 64, "epochs": epochs}
                found = decay_timescale(point | {"weight_decay": 100 / (4 * end * factor)}, 256)
                assert found["epochs"] == pytest.approx(end * factor)
                warnings.append(found["warning"])
            assert warnings[0] == word
            assert warnings[1] != word

    def test_the_winners_timescale_is_the_tables(self) -> None:
        found, trials = BOTH["digits"]
        rows = [row for row in trials if row["arm"] == "weight_decay"]
        winner = found["arms"]["weight_decay"]
        with canvas.styled():
            axes = canvas.new_figure(3, 3).subplots()
            slices.timescale_panel(axes, rows, found, [row for row in rows if row["trial"] == winner["trial"]])
        assert axes.lines[-1].get_xdata()[0] == pytest.approx(winner["decay"]["epochs"], rel=1e-4)

    def test_what_means_off_is_shaded_and_has_no_numbers(self) -> None:
        with canvas.styled():
            figure = slices.slices(*BOTH["digits"]).figure
        search = Search.model_validate(BOTH["digits"][0]["search"])
        told = 0
        for axes in figure.axes:
            name = axes.get_xlabel().replace(" ", "_")
            if name not in search.space or not axes.get_visible():
                continue
            dimension = search.space[name]
            assert ("off" in [text.get_text() for text in axes.texts]) == bool(dimension.off)
            assert all(dimension.low <= tick <= dimension.high for tick in axes.get_xticks())
            low, high = axes.get_xlim()
            assert low < dimension.sampled[0] < dimension.sampled[1] < high
            told += 1
        assert told == 23

    def test_every_strength_of_every_arm_has_a_panel(self) -> None:
        found, trials = BOTH["digits"]
        with canvas.styled():
            figure = slices.slices(found, trials).figure
        shown = {(axes.get_title(loc="left"), axes.get_xlabel()) for axes in figure.axes if axes.get_visible()}
        search = Search.model_validate(found["search"])
        assert shown >= {
            (readable_arms(arm), readable_arms(name)) for arm in search.arms for name in search.dimensions(arm)
        }

    def test_contours_have_the_strength_across_and_the_learning_rate_upwards(self) -> None:
        found, trials = BOTH["digits"]
        with canvas.styled():
            figure = slices.contours(found, trials).figure
        assert [axes.get_title(loc="left") for axes in figure.axes] == ["dropout", "weight decay", "label smoothing"]
        for axes in figure.axes:
            arm = axes.get_xlabel().replace(" ", "_")
            done = [row for row in trials if row["arm"] == arm and row["state"] == "complete"]
            wanted = [[row[f"sampled/{name}"] for name in (arm, "learning_rate")] for row in done]
            fills, dots = axes.collections[:2]
            assert np.allclose(sorted(dots.get_offsets().tolist()), sorted(wanted))
            shown = fills.get_datalim(axes.transData)
            assert shown.x0 <= min(x for x, _ in wanted)
            assert shown.y1 >= max(y for _, y in wanted)

    @pytest.mark.parametrize("weak", ["low", "high"])
    @pytest.mark.parametrize("log", [True, False])
    def test_ticks_are_in_the_range_that_is_on(self, log: bool, weak: Any) -> None:
        for low, high in ((0.005, 0.2), (0.9, 0.999), (1.0, 4.0), (1e-4, 1.0), (0.02, 0.03)):
            found = slices.ticks(Dimension(low=low, high=high, log=log, off=0.2, weak=weak))
            assert 2 <= len(found) <= 6
            assert all(low <= tick <= high for tick in found)
