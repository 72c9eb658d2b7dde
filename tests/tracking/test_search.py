"""Do the records of a search say what its trials say, live as at the end, each trial once?"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from search_tables import averaged
from tracking.study_results import study_of

from pipeline.config.points import Point
from pipeline.config.search_space import OBJECTIVES, Search, measure
from pipeline.core.paths import trials_file
from pipeline.results.readable_names import readable_arms
from pipeline.results.search import ArmResult, InteractionResult, Optimism, SearchResults, TrialCounts
from pipeline.search.trials import State, Trial, read_trials, write_trials
from pipeline.tracking.builder import AGAINST, HEADLINE, LOSS, sentence
from pipeline.tracking.database import stored_runs, uri_of
from pipeline.tracking.links import cited
from pipeline.tracking.publish import Published, meanwhile, publish
from pipeline.tracking.runs import RunRecord, digest
from pipeline.tracking.search import FIGURES, WINNERS, experiment_of, records_of
from pipeline.tracking.trials import TRIALS, trial_records

EPOCHS, SEEDS = 60, 30
SPACE = {
    "learning_rate": {"low": 0.0003, "high": 0.03, "log": True},
    "dropout": {"low": 0.0, "high": 0.6, "off": 0.2},
    "weight_decay": {"low": 1e-4, "high": 1.0, "log": True, "off": 0.2},
}
SETTINGS: dict[str, Any] = {
    "trials": 30,
    "batch": 10,
    "seeds": 2,
    "objectives": ["nll"],
    "sampler": {"kind": "tpe", "startup": 10, "seed": 3},
    "pruner": {"kind": "halving", "first": 15, "factor": 2},
    "space": SPACE,
    "arms": {"none": [], "dropout": ["dropout"], "both": ["dropout", "weight_decay"]},
    "stacked": 4,
}
TRAIN: dict[str, Any] = {
    "epochs": EPOCHS,
    "batch_size": 64,
    "optimizer": "adam",
    "learning_rate": 0.003,
    "schedule": "constant",
    "momentum": 0.9,
}
SEARCH = Search.model_validate(SETTINGS)


def made_trial(arm: str, number: int, state: State = "complete", **changes: object) -> Trial:
    """A trial with awkward numbers: binary fractions that need all their digits."""
    complete = state == "complete"
    trial = Trial(
        arm=arm,
        number=number,
        state=state,
        values={"nll": 0.1 + 0.2 + number / 3} if complete else {},
        seed_values=(0.1 + 0.2, 1 / 3) if complete else (),
        rungs={15: 2 / 3, 30: 1e-7 / 3 if complete else None},
        strengths={"learning_rate": 0.0007967, "dropout": 0.0 if arm == "none" else 0.1234, "weight_decay": 0.0},
        coordinates=dict.fromkeys(SEARCH.dimensions(arm), 0.01),
    )
    return replace(trial, **changes)


MADE = [
    made_trial("none", 0),
    made_trial("none", 1, "pruned"),
    made_trial("dropout", 0, "failed", rungs={15: None, 30: None}),
    made_trial("dropout", 1),
    made_trial("both", 0, "failed"),
]


def made(trials: Sequence[Trial] = MADE, search: Search = SEARCH) -> dict[str, RunRecord]:
    return {record.key: record for record in trial_records("mixture", search, trials, epochs=EPOCHS)}


def state_of(view: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.loads(view)["state"])
    return found


def table() -> SearchResults:
    """A finished search: winners of all arms, and a stack."""
    kinds = {"none": "tuned", "dropout": "tuned", "both": "tuned", "none+dropout": "stacked"}
    scores = np.random.default_rng(1).normal(size=(len(kinds), SEEDS)) + np.arange(len(kinds))[:, None]
    results = study_of(
        [(name, name, kind) for name, kind in kinds.items()],
        [{"hidden": (8,), "dropout": 0.25}] * len(kinds),
        scores,
        metrics=HEADLINE,
        compared=HEADLINE,
        chosen=0,
    )
    arm = ArmResult(
        trial=0,
        value=0.3,
        strengths={"learning_rate": 0.01},
        trials=TrialCounts(complete=1, pruned=1, failed=0),
        network_epochs=180,
        optimism=Optimism(searched=0.3, mean=0.05, low=-0.01, high=0.11),
        decay=None,
        importances=None,
        front=(),
        edges=("learning_rate",),
    )
    combined = InteractionResult(
        name="none+dropout",
        kind="stacked",
        parts=("none", "dropout"),
        best_single="dropout",
        metrics=results.points[1].against_reference,
    )
    arms = {"none": arm, "dropout": arm.model_copy(update={"trial": 1}), "both": arm}
    return SearchResults(search=SEARCH, results=results, arms=arms, pairs=(), interactions=(combined,))


def finished(trials: Sequence[Trial] = MADE, figures: dict[str, Path] | None = None) -> dict[str, RunRecord]:
    results = table()
    arrays = [{f"score/{name}": np.ones(SEEDS) for name in HEADLINE}] * len(results.results.points)
    records = [
        *trial_records("mixture", SEARCH, trials, epochs=EPOCHS),
        *records_of(results, arrays, trials=b"arm,trial\n", figures=figures or {}),
    ]
    assert len({record.key for record in records}) == len(records)
    return {record.key: record for record in records}


# Records


def test_a_completed_trial_says_what_was_measured_when():
    record = made()["mixture/none/trial-0"]
    assert (record.experiment, record.parent, record.name) == ("mixture search", "mixture/none", "none trial 0")
    assert record.params == {"learning_rate": 0.0007967, "dropout": 0.0, "weight_decay": 0.0}
    assert record.tags == {"dataset": "mixture", "arm": "none", "level": "trial", "state": "complete"}
    assert record.metrics == [
        ("validation/nll", 0.1 + 0.2, 0),
        ("rung/nll", 2 / 3, 15),
        ("rung/nll", 1e-7 / 3, 30),
        ("rung/nll", 0.1 + 0.2, EPOCHS),
        ("seeds/validation/nll", 0.1 + 0.2, 0),
        ("seeds/validation/nll", 1 / 3, 1),
    ]
    assert record.status == "FINISHED"
    assert record.description == "Completed: validation/nll 0.3000, the mean of 2 seeds."


def test_a_pruned_trial_is_no_error_and_says_how_far_it_came():
    record = made()["mixture/none/trial-1"]
    assert (record.status, record.tags["state"]) == ("FINISHED", "pruned")
    assert record.metrics == [("rung/nll", 2 / 3, 15)]
    assert record.description == "Pruned after epoch 15, at validation/nll 0.6667."


def test_a_failed_trial_is_an_error():
    records = made()
    early, late = records["mixture/dropout/trial-0"], records["mixture/both/trial-0"]
    assert (early.status, early.tags["state"], early.metrics) == ("FAILED", "failed", [])
    assert early.description == "Failed: training diverged."
    assert late.description == "Failed: training diverged after epoch 15, at validation/nll 0.6667."


def test_two_objectives_without_pruner():
    changes = {"objectives": ["nll_calibrated", "calibration"], "pruner": {"kind": "none"}}
    search = Search.model_validate(SETTINGS | changes)
    trial = made_trial("none", 0, values={"nll_calibrated": 0.5, "calibration": 0.25}, rungs={})
    (_, _, _, record) = made([trial], search).values()
    assert record.metrics[:2] == [("validation_calibrated/nll", 0.5, 0), ("validation/calibration", 0.25, 0)]
    assert [name for name, _, _ in record.metrics[2:]] == ["seeds/validation_calibrated/nll"] * 2
    shown = state_of(experiment_of("mixture", search).views[TRIALS])
    assert [chart["type"] for chart in shown["compareRunCharts"]] == ["PARALLEL"]
    assert shown["compareRunCharts"][0]["selectedMetrics"] == ["validation_calibrated/nll", "validation/calibration"]


def test_objectives_have_the_names_that_contenders_are_judged_by():
    assert {name: measure(name) for name in OBJECTIVES} == {
        "nll": "validation/nll",
        "nll_calibrated": "validation_calibrated/nll",
        "calibration": "validation/calibration",
        "refinement": "validation/refinement",
    }


def test_an_arm_says_what_is_searched_and_nothing_that_changes_meanwhile():
    few, many = made(MADE[:1]), made()
    arms = [record for record in many.values() if record.parent is None]
    assert [record.name for record in arms] == ["none", "dropout", "both"]
    assert all(few[record.key] == record for record in arms)
    text = many["mixture/dropout"].description
    assert "30 trials" in text
    assert "`tpe` sampler (seed 3)" in text
    assert "`halving` ends trials at epochs 15, 30." in text
    assert "| `dropout` | 0 to 0.6 | even | 20% |" in text
    assert "weight_decay" not in text


def test_choices_are_params_and_a_line_of_their_arm():
    choices = {"batch_norm": {"choices": [False, True]}, "early_stopping": {"choices": ["none", "nll"]}}
    arms = {"none": [], "chosen": [*choices]}
    search = Search.model_validate({**SETTINGS, "space": SPACE | choices, "arms": arms})
    on = {"batch_norm": True, "early_stopping": "nll"}
    trial = replace(MADE[0], arm="chosen", strengths={**MADE[0].strengths, **on})
    records = made([trial], search)
    assert records["mixture/chosen/trial-0"].params.items() >= on.items()
    text = records["mixture/chosen"].description
    assert "| `batch_norm` | false, true | by choice | false |" in text
    assert "| `early_stopping` | none, nll | by choice | none |" in text
    assert "| `learning_rate` | 0.0003 to 0.03 | logarithmic | never |" in text


def test_trials_are_listed_in_the_order_of_time_whatever_the_arm():
    names = [record.name for record in made().values() if record.parent]
    assert names == ["none trial 0", "dropout trial 0", "both trial 0", "none trial 1", "dropout trial 1"]


def test_the_table_of_all_trials_gives_the_same_records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, rungs = trials_file("task"), SEARCH.pruner.rungs(EPOCHS)
    write_trials(path, MADE, SEARCH, rungs=rungs)
    read = read_trials(path, SEARCH, rungs=rungs)
    assert {key: digest(record) for key, record in made(read).items()} == {
        key: digest(record) for key, record in made().items()
    }
    assert finished(read).keys() == finished().keys()
    assert {key: finished(read)[key] for key in made()} == made(read)


# The end


def test_a_winner_says_where_it_comes_from_and_what_it_is_worth():
    record = finished()["mixture/dropout/winner"]
    assert (record.parent, record.name) == ("mixture/dropout", "dropout winner")
    assert record.tags.items() >= {"level": "winner", "arm": "dropout", "verdict.after_calibration": "worse"}.items()
    assert cited(record.description) == ["mixture/dropout/trial-1", "mixture/dropout", "mixture/none/winner"]
    assert "its best of 2, trained anew on 30 seeds" in record.description
    assert "the search had found 0.3000; fresh seeds are off by +0.0500 [−0.0100, +0.1100]" in record.description
    assert record.params == {"learning_rate": 0.01, "dropout": 0.25, "weight_decay": 0.0}
    names = {name for name, _, _ in record.metrics}
    assert {*map(str, HEADLINE), "against_none/test_calibrated/nll/low", "against_none/test/nll"} <= names
    assert set(record.artifacts) == {"results.json", "tables/metrics.csv", "tables/seeds.csv"}


def test_a_winner_has_what_the_average_of_its_networks_is_worth():
    results = averaged(table())
    arrays = [{f"score/{name}": np.ones(SEEDS) for name in HEADLINE}] * len(results.results.points)
    records = {record.key: record for record in records_of(results, arrays, trials=b"", figures={})}
    (none, dropout, _) = results.ensembles.arms
    found = {name: value for name, value, _ in records["mixture/dropout/winner"].metrics}
    assert found[f"ensemble/{LOSS}"] == dropout.ensemble[LOSS].mean
    assert found[f"ensemble/against_none/{LOSS}"] == dropout.ensemble_against_none[LOSS].difference
    assert found[f"ensemble/against_ensemble_of_none/{LOSS}"] == dropout.ensemble_against_ensemble[LOSS].difference
    assert len(found) <= 16
    of_none = {name for name, _, _ in records["mixture/none/winner"].metrics}
    assert none.ensemble_against_ensemble == {}
    assert f"ensemble/{LOSS}" in of_none
    assert not any(name.startswith("ensemble/against_ensemble") for name in of_none)
    assert not any(name.startswith("ensemble/") for name, _, _ in records["mixture+stacked/none+dropout"].metrics)


def test_a_stack_is_compared_with_the_best_of_its_parts():
    records = finished()
    record = records["mixture+stacked/none+dropout"]
    assert (record.parent, record.tags["level"]) == ("mixture+stacked", "stacked")
    assert cited(record.description) == ["mixture/none/winner", "mixture/dropout/winner"]
    assert (
        "Against [dropout](record:mixture/dropout/winner), the best of its parts, NLL after calibration changes by"
        in (record.description)
    )
    assert record.key in cited(records["mixture+stacked"].description)


def test_the_answer_is_last_and_holds_tables_and_the_search_figures():
    drawn = {f"{name}.png": Path(name) for name in (*FIGURES[:2], "headline")}
    *_, record = finished(figures=drawn).values()
    assert (record.key, record.name, record.tags["level"]) == ("mixture", "answer", "study")
    assert record.description.startswith(sentence(table().results, name=readable_arms))
    assert set(record.params) == set(SPACE)
    assert {path for path in record.artifacts if path.startswith("figures/")} == {
        f"figures/{name}.png" for name in FIGURES[:2]
    }
    assert record.artifacts["tables/trials.csv"] == b"arm,trial\n"
    arms = list(csv.DictReader(io.StringIO(record.artifacts["tables/arms.csv"].decode())))
    assert [arm["arm"] for arm in arms] == ["none", "dropout", "both"]
    assert (arms[0]["validation/nll"], arms[0]["optimism_low"], arms[0]["pruned"]) == ("0.3", "-0.01", "1")
    assert arms[0]["network_epochs"] == "180"


def test_the_page_says_that_the_search_goes_on_and_then_what_it_found():
    live, done = experiment_of("mixture", SEARCH), experiment_of("mixture", SEARCH, table())
    assert live.name == done.name == "mixture search"
    assert "goes on" in live.description
    assert list(live.views) == [TRIALS]
    assert done.description.startswith(sentence(table().results, name=readable_arms))
    assert list(done.views) == [TRIALS, WINNERS]
    assert live.views[TRIALS] == done.views[TRIALS]


def test_the_views_show_what_runs_have():
    page, records = experiment_of("mixture", SEARCH, table()), finished()
    for key, levels in {TRIALS: {"trial"}, WINNERS: {"winner", "stacked"}}.items():
        shown = [record for record in records.values() if record.tags["level"] in levels]
        metrics = {name for record in shown for name, _, _ in record.metrics}
        state = state_of(page.views[key])
        columns = [name.partition(".") for name in state["selectedColumns"]]
        assert {name.strip("`") for kind, _, name in columns if kind == "params"} == set(SPACE)
        assert {name.strip("`") for kind, _, name in columns if kind == "metrics"} <= metrics
        assert {chart["metricKey"] for chart in state["compareRunCharts"] if "metricKey" in chart} <= metrics
    parallel = state_of(page.views[TRIALS])["compareRunCharts"][0]
    assert parallel["selectedParams"] == ["learning_rate", "dropout"]  # no arm tunes weight decay alone
    assert {f"metrics.`{name}`" for name in AGAINST} <= set(state_of(page.views[WINNERS])["selectedColumns"])


# The store


def say(root: Path, records: dict[str, RunRecord], *, complete: bool = False) -> Published:
    return publish(list(records.values()), uri=uri_of(root / "mlflow.db"), provenance={}, complete=complete)


def current(root: Path) -> dict[str, str]:
    return {run.key: run.run_id for run in stored_runs(root / "mlflow.db") if not run.superseded}


@pytest.mark.slow
def test_a_search_grows_ends_and_shrinks(tmp_path):
    assert say(tmp_path, made(MADE[:2])).created == 5
    first = current(tmp_path)
    assert say(tmp_path, made(MADE[:4])) == Published(created=2, unchanged=5, replaced=0)
    assert say(tmp_path, made(MADE[:4])) == Published(created=0, unchanged=7, replaced=0)
    done = finished()
    created = len(done) - 7
    assert say(tmp_path, done, complete=True) == Published(created=created, unchanged=7, replaced=0)
    assert say(tmp_path, done, complete=True) == Published(created=0, unchanged=len(done), replaced=0)
    assert first.items() <= current(tmp_path).items()
    newest = max(stored_runs(tmp_path / "mlflow.db"), key=lambda run: run.start)
    assert newest.key == "mixture"  # the UI lists the answer first
    fewer = finished([MADE[0], *MADE[2:]])
    assert say(tmp_path, fewer, complete=True) == Published(created=0, unchanged=len(fewer), replaced=0, retired=1)
    assert current(tmp_path).keys() == fewer.keys()


@pytest.mark.slow
def test_what_mlflow_shows_of_trials(tmp_path):
    from mlflow import MlflowClient  # noqa: PLC0415 (seconds)

    say(tmp_path, made())
    client = MlflowClient(uri_of(tmp_path / "mlflow.db"))
    found = {key: client.get_run(run) for key, run in current(tmp_path).items()}
    history = client.get_metric_history(current(tmp_path)["mixture/none/trial-0"], "rung/nll")
    client._tracking_client.store.engine.dispose()
    assert [(metric.step, metric.value) for metric in history] == [(15, 2 / 3), (30, 1e-7 / 3), (EPOCHS, 0.1 + 0.2)]
    assert {key: run.info.status for key, run in found.items() if "trial" in key} == {
        "mixture/none/trial-0": "FINISHED",
        "mixture/none/trial-1": "FINISHED",
        "mixture/dropout/trial-0": "FAILED",
        "mixture/dropout/trial-1": "FINISHED",
        "mixture/both/trial-0": "FAILED",
    }
    assert found["mixture/dropout/trial-1"].data.tags["mlflow.parentRunId"] == current(tmp_path)["mixture/dropout"]


def test_a_store_that_cannot_be_written_is_one_warning_and_no_end(tmp_path, capsys):
    (tmp_path / "mlruns").write_text("in the way")
    report = meanwhile(uri_of(tmp_path / "mlflow.db"))
    for trials in (MADE[:1], MADE):
        report(list(made(trials).values()), [experiment_of("mixture", SEARCH)], True)
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("warning: not shown in MLflow before the end: ")
    assert "mlruns" in said.err
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(("arms", "trials", "heard"), [((), None, 3), (("none", "dropout"), None, 0), ((), 3, 0)])
def test_a_search_is_published_after_every_batch_unless_it_looks_around(monkeypatch, arms, trials, heard):
    from pipeline.search.optimize import Task  # noqa: PLC0415
    from pipeline.search.trials import study_of  # noqa: PLC0415
    from pipeline.stages import search as stage  # noqa: PLC0415 (optuna)

    search = SEARCH.model_copy(update={"trials": 2})
    found = {arm: study_of(arm, [made_trial(arm, n) for n in range(2)], search).trials for arm in search.arms}
    batches = [{arm: of_arm[:count] for arm, of_arm in found.items()} for count in range(3)]
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr("pipeline.search.optimize.run", lambda *_, **__: iter(batches))
    monkeypatch.setattr("pipeline.tracking.publish.meanwhile", lambda _: lambda *words: told.append(words))
    task = Task(search, Point(hidden=(8,), **TRAIN), {})
    names = dict.fromkeys(arms or search.arms, "study")
    published = not stage._looks_around(names, search, trials)
    by_arm = stage._search("mixture", task, None, names, trials=trials, jobs=1, published=published)
    assert [len(of_arm) for of_arm in by_arm.values()] == [2, 2, 2]
    assert [len(records) - len(search.arms) for records, _, _ in told] == [0, 3, 6][:heard]
    assert [(len(pages), complete) for _, pages, complete in told] == [(1, True), (1, True), (0, False)][:heard]
    if told:
        written = [record for of_arm in by_arm.values() for record in of_arm]
        assert told[-1][0] == trial_records("mixture", search, written, epochs=EPOCHS)
