from dataclasses import replace

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from pipeline.config.search_space import Search
from pipeline.core.errors import InputError
from pipeline.core.paths import trials_file
from pipeline.search.trials import (
    Trial,
    columns,
    distributions,
    front,
    importances,
    network_epochs,
    read_trials,
    readers,
    study_of,
    to_row,
    trial_of,
    winner,
    write_trials,
)

SEARCH = Search.model_validate(
    {
        "trials": 6,
        "batch": 2,
        "seeds": 3,
        "objectives": ["nll", "calibration"],
        "sampler": {"kind": "random"},
        "pruner": {"kind": "none"},
        "space": {
            "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
            "dropout": {"low": 0.0, "high": 0.6, "off": 0.2},
            "noise": {"low": 0.0, "high": 1.0},
            "batch_norm": {"choices": [False, True]},
            "early_stopping": {"choices": ["none", "nll", "nll_calibrated"]},
        },
        "arms": {
            "none": [],
            "dropout": ["dropout"],
            "both": ["dropout", "noise"],
            "chosen": ["batch_norm", "early_stopping"],
        },
        "stacked": 4,
    }
)
ONE = SEARCH.model_copy(update={"objectives": ("nll",)})
RUNGS = [1, 2]
UNSAMPLED = ("sampled/batch_norm", "sampled/early_stopping")


def made(arm, params, state=TrialState.COMPLETE, **more):
    return create_trial(
        state=state, params=params, distributions=distributions(SEARCH.dimensions(arm)), **more
    )  # fmt: skip


def numbered(trial, number):
    trial.number = number
    return trial


def row_of(arm, trial):
    return to_row(trial_of(arm, trial, SEARCH, RUNGS), SEARCH)


TRIALS = {
    "complete": made(
        "dropout", {"learning_rate": 0.0123456, "dropout": -0.1}, values=[0.5, 0.1],
        user_attrs={"seeds": [0.4, 0.5, 0.6]}, intermediate_values={1: 0.9, 2: 0.7},
    ),
    "pruned": made(
        "dropout", {"learning_rate": 0.02, "dropout": 0.31416}, TrialState.PRUNED, values=[0.8, 0.8],
        intermediate_values={1: float("nan")},
    ),
    "failed": made("dropout", {"learning_rate": 0.1, "dropout": 0.6}, TrialState.FAIL),
}  # fmt: skip


class TestRows:
    def test_known_rows(self):
        rows = [row_of("dropout", numbered(t, n)) for n, t in enumerate(TRIALS.values())]
        off, unsampled = {"batch_norm": False, "early_stopping": "none"}, dict.fromkeys(UNSAMPLED)
        nothing = {"nll": None, "calibration": None, "seed/0": None, "seed/1": None, "seed/2": None}
        assert rows == [
            {
                "arm": "dropout", "trial": 0, "state": "complete", "nll": 0.5, "calibration": 0.1,
                "seed/0": 0.4, "seed/1": 0.5, "seed/2": 0.6, "rung/1": 0.9, "rung/2": 0.7,
                "learning_rate": 0.01235, "dropout": 0.0, "noise": 0.0, **off,
                "sampled/learning_rate": 0.0123456, "sampled/dropout": -0.1, "sampled/noise": None, **unsampled,
            },
            {
                "arm": "dropout", "trial": 1, "state": "pruned", **nothing, "rung/1": None, "rung/2": None,
                "learning_rate": 0.02, "dropout": 0.3142, "noise": 0.0, **off,
                "sampled/learning_rate": 0.02, "sampled/dropout": 0.31416, "sampled/noise": None, **unsampled,
            },
            {
                "arm": "dropout", "trial": 2, "state": "failed", **nothing, "rung/1": None, "rung/2": None,
                "learning_rate": 0.1, "dropout": 0.6, "noise": 0.0, **off,
                "sampled/learning_rate": 0.1, "sampled/dropout": 0.6, "sampled/noise": None, **unsampled,
            },
        ]  # fmt: skip

    def test_rows_have_the_columns_in_their_order(self):
        for arm in SEARCH.arms:
            params = {name: each.extremes[0] for name, each in SEARCH.dimensions(arm).items()}
            assert list(row_of(arm, made(arm, params, values=[1, 2]))) == columns(SEARCH, RUNGS)

    def test_a_table_is_read_as_it_was_written(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        trials = tuple(trial_of("dropout", numbered(t, n), SEARCH, RUNGS) for n, t in enumerate(TRIALS.values()))
        names = columns(SEARCH, RUNGS)
        write_trials(trials_file("task"), trials, SEARCH, rungs=RUNGS)
        assert read_trials(trials_file("task"), SEARCH, rungs=RUNGS) == trials
        assert trials_file("task").read_text().splitlines()[0] == ",".join(names)
        assert set(names) - readers(SEARCH, RUNGS).keys() == {"arm", "state"}
        assert readers(SEARCH, RUNGS).keys() <= set(names)

    @pytest.mark.parametrize("stopping", ["none", "nll", "nll_calibrated"])
    @pytest.mark.parametrize("normed", [False, True])
    def test_choices_are_read_and_given_to_optuna_as_they_were(self, tmp_path, monkeypatch, normed, stopping):
        monkeypatch.chdir(tmp_path)
        params = {"learning_rate": 0.02, "batch_norm": normed, "early_stopping": stopping}
        trial = trial_of("chosen", made("chosen", params, values=[0.5, 0.1]), SEARCH, RUNGS)
        assert trial.strengths == {**params, "dropout": 0.0, "noise": 0.0}
        write_trials(trials_file("task"), [trial], SEARCH, rungs=RUNGS)
        (read,) = read_trials(trials_file("task"), SEARCH, rungs=RUNGS)
        assert read == trial
        assert type(read.strengths["batch_norm"]) is type(read.coordinates["batch_norm"]) is bool
        (again,) = study_of("chosen", [read], SEARCH).get_trials()
        assert again.params == params
        assert again.distributions == distributions(SEARCH.dimensions("chosen"))

    def test_a_choice_that_there_is_not_is_damage(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        trial = trial_of("none", made("none", {"learning_rate": 0.02}, values=[0.5, 0.1]), SEARCH, RUNGS)
        write_trials(trials_file("task"), [trial], SEARCH, rungs=RUNGS)
        trials_file("task").write_text(trials_file("task").read_text().replace("False", "perhaps"))
        with pytest.raises(InputError, match=r"trials.csv: damaged \(must be one of False, True, got 'perhaps'\)"):
            read_trials(trials_file("task"), SEARCH, rungs=RUNGS)

    def test_a_study_made_from_records_has_the_same_trials(self):
        trials = [trial_of("dropout", numbered(t, n), SEARCH, RUNGS) for n, t in enumerate(TRIALS.values())]
        found = study_of("dropout", trials, SEARCH).get_trials()
        for mine, trial in zip(found, TRIALS.values(), strict=True):
            assert (mine.state, mine.params, mine.distributions) == (trial.state, trial.params, trial.distributions)
            told = {epoch: v for epoch, v in trial.intermediate_values.items() if np.isfinite(v)}
            assert mine.intermediate_values == told
        assert found[0].values == [0.5, 0.1]
        assert [row_of("dropout", t)["dropout"] for t in found] == [0.0, 0.3142, 0.6]

    def test_a_study_of_no_trials(self):
        assert study_of("none", [], SEARCH).get_trials() == []


def ended(state, rungs):
    return Trial("none", 0, state, {}, (), dict(zip((15, 30), rungs, strict=True)), {}, {})


@pytest.mark.parametrize(
    ("state", "rungs", "epochs"),
    [
        ("complete", (0.5, 0.4), 60),
        ("pruned", (0.5, None), 15),
        ("pruned", (0.5, 0.4), 30),
        ("failed", (None, None), 15),
        ("failed", (0.5, None), 30),
        ("failed", (0.5, 0.4), 60),
    ],
)
def test_a_trial_costs_the_epochs_until_it_ended(state, rungs, epochs):
    assert network_epochs([ended(state, rungs)], epochs=60, seeds=5) == 5 * epochs


def test_trials_cost_their_sum():
    trials = [ended("complete", (0.5, 0.4)), ended("pruned", (0.5, None)), ended("failed", (0.5, None))]
    assert network_epochs(trials, epochs=60, seeds=5) == 5 * (60 + 15 + 30)
    assert network_epochs([], epochs=60, seeds=5) == 0


VALUES = st.sampled_from([0.1, 0.2, 0.3, 0.4])
TABLES = st.lists(st.tuples(VALUES, VALUES, st.booleans()), max_size=12).map(
    lambda drawn: [
        Trial("none", n, "complete" if done else "pruned", {"nll": a, "ece": b} if done else {}, (), {}, {}, {})
        for n, (a, b, done) in enumerate(drawn)
    ]
)


class TestWinner:
    @given(TABLES)
    def test_is_the_earliest_of_the_best(self, rows):
        complete = [row for row in rows if row.is_complete]
        found = winner(rows, "nll")
        if not complete:
            assert found is None
            return
        least = min(row.values["nll"] for row in complete)
        assert found is next(row for row in complete if row.values["nll"] == least)
        assert found == winner(rows[::-1], "nll")

    @given(TABLES)
    def test_a_front_is_what_nobody_beats(self, rows):
        found = front(rows, ["nll", "ece"])
        for row in (row for row in rows if row.is_complete):
            better = [
                other for other in rows if other.is_complete
                and other.values["nll"] <= row.values["nll"] and other.values["ece"] <= row.values["ece"]
                and (other.values["nll"], other.values["ece"]) != (row.values["nll"], row.values["ece"])
            ]  # fmt: skip
            assert (row in found) == (not better)
        assert [(row.values["nll"], row.number) for row in found] == sorted(
            (row.values["nll"], row.number) for row in found
        )

    @given(TABLES)
    def test_with_one_objective_a_front_is_all_who_share_the_best(self, rows):
        best = winner(rows, "nll")
        ties = [row for row in rows if best and row.is_complete and row.values["nll"] == best.values["nll"]]
        assert front(rows, ["nll"]) == ties

    @settings(max_examples=30, deadline=None)
    @given(TABLES)
    def test_optuna_finds_the_same(self, rows):
        study = optuna.create_study(directions=["minimize", "minimize"])
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
        for row in rows:
            values = [row.values["nll"], row.values["ece"]] if row.is_complete else None
            study.add_trial(create_trial(state=states[row.state], values=values))
        found = {row.number for row in front(rows, ["nll", "ece"])}
        assert found == {trial.number for trial in study.best_trials}


class TestImportances:
    def rows(self, count, matters="noise", *, flat=False):
        """Trials whose value is the distance of one strength from 0.3."""
        draws = np.random.default_rng(5)
        found = []
        for _ in range(count):
            params = {"learning_rate": float(np.exp(draws.uniform(np.log(0.001), np.log(0.1))))}
            params |= {"dropout": draws.uniform(-0.15, 0.6), "noise": draws.uniform(0, 1)}
            value = 1.0 if flat else abs(params[matters] - 0.3)
            found.append(trial_of("both", made("both", params, values=[value, 0.0]), SEARCH, RUNGS))
        return found

    @pytest.mark.parametrize("matters", ["noise", "dropout"])
    def test_what_matters_has_the_largest_share(self, matters):
        found = importances("both", self.rows(60, matters), ONE)
        assert list(found) == ["learning_rate", "dropout", "noise"]
        assert sum(found.values()) == pytest.approx(1)
        assert max(found, key=found.get) == matters
        assert found[matters] > 0.6

    def test_only_completed_trials_and_the_first_objective_count(self):
        rows = self.rows(30)
        pruned = [replace(row, state="pruned", values={}, seed_values=()) for row in self.rows(20, "dropout")]
        assert importances("both", [*pruned, *rows], ONE) == importances("both", rows, ONE)
        assert importances("both", rows, SEARCH) == importances("both", rows, ONE)

    @pytest.mark.parametrize("matters", ["batch_norm", "early_stopping"])
    def test_of_choices(self, matters):
        draws = np.random.default_rng(6)
        rows = []
        for _ in range(60):
            params = {"learning_rate": float(np.exp(draws.uniform(np.log(0.001), np.log(0.1))))}
            params |= {"batch_norm": bool(draws.integers(2)), "early_stopping": ("none", "nll")[draws.integers(2)]}
            value = float(params[matters] in (False, "none")) + draws.uniform(0, 0.1)
            rows.append(trial_of("chosen", made("chosen", params, values=[value, 0.0]), SEARCH, RUNGS))
        found = importances("chosen", rows, ONE)
        assert max(found, key=found.get) == matters

    def test_there_are_none_of_one_strength_few_trials_or_equal_values(self):
        rows = self.rows(10)
        assert importances("both", rows, ONE) is not None
        assert importances("both", rows[1:], ONE) is None
        assert importances("both", self.rows(20, flat=True), ONE) is None
        none = [replace(row, arm="none") for row in rows]
        assert importances("none", none, ONE) is None
