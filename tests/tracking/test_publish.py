"""Does MLflow end up saying what the records say, each once, whatever happened before?"""

import json
import math
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from servers import full, silent

from pipeline.core.errors import InputError
from pipeline.tracking.client import AT_FIRST, connected
from pipeline.tracking.database import artifact_root, database_of, stored_experiments, stored_runs, uri_of
from pipeline.tracking.plan import StoredRun, plan, surplus
from pipeline.tracking.publish import Published, missing, publish, view_addresses
from pipeline.tracking.runs import (
    DatasetInfo,
    ExperimentPage,
    RunRecord,
    digest,
    experiment_tags,
    note_tag,
    reference_tags,
)
from pipeline.tracking.store import tracking_uri

PROJECT = Path(__file__).parents[2]
EXPERIMENT = "mixture regularization"
PROVENANCE = {"mlflow.source.git.commit": "c0ffee", "mlflow.source.name": "dvc repro track"}
DATA = DatasetInfo(name="mixture", digest="abc123", source="data/mixture.npz", schema='{"x": "float"}', profile="{}")
PARENT = RunRecord(key="mixture/dropout", experiment=EXPERIMENT, name="dropout", description="# A sweep")


def child(rate: float, nll: float = 0.5) -> RunRecord:
    name = f"dropout={rate}"
    return RunRecord(
        key=f"{PARENT.key}/{name}",
        experiment=EXPERIMENT,
        name=name,
        parent=PARENT.key,
        params={"dropout": rate, "epochs": 200, "norm": False},
        tags={"variant": "dropout"},
        metrics=[("test/nll", nll, 0), ("test/nll", nll / 3, 10), ("gap/nll", 0.25, 0)],
        artifacts={"tables/point.json": b'{"n": 30}\n', "curve.txt": f"{rate}\n".encode()},
        dataset=DATA,
    )


RECORDS = [child(0.0), child(0.2), PARENT]


# A family that names each other: the parent its children, a child its parent and its sibling.
LINKED = [
    replace(child(0.0), description=f"part of [the sweep](record:{PARENT.key}), see [all](table:points)"),
    replace(child(0.2), description=f"part of [it](record:{PARENT.key}), unlike [none](record:{child(0.0).key})"),
    replace(PARENT, description=f"[0](record:{child(0.0).key}) and [0.2](record:{child(0.2).key})"),
]
PAGE = ExperimentPage(name=EXPERIMENT, description="All in [charts](charts:points).", views={"points": '{"name": "x"}'})


def publish_in(
    root: Path, records: list[RunRecord] = RECORDS, *, pages: tuple[ExperimentPage, ...] = (), complete: bool = False
) -> Published:
    uri = uri_of(root / "mlflow.db")
    return publish(records, uri=uri, provenance=PROVENANCE, pages=pages, complete=complete)


def runs_in(root: Path) -> dict[str, StoredRun]:
    """The current runs by key, of which there must be one each."""
    runs = [run for run in stored_runs(root / "mlflow.db") if not run.superseded]
    assert len({run.key for run in runs}) == len(runs)
    assert all(run.digest for run in runs)
    return {run.key: run for run in runs}


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'tests'}", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def script(root: Path, *, before: str = "", progress: str = "None") -> str:
    """A program that publishes RECORDS."""
    call = f"publish(RECORDS, uri=uri_of(Path({str(root)!r}) / 'mlflow.db'), provenance={{}}, progress={progress})"
    return f"import os, signal\nfrom tracking.test_publish import *\n{before}\nprint({call})"


# Records


@pytest.mark.parametrize(
    "change",
    [
        {"key": "other"},
        {"name": "other"},
        {"description": "other"},
        {"params": {"dropout": 0.3}},
        {"tags": {"variant": "decay"}},
        {"metrics": [("test/nll", 0.5, 1)]},
        {"metrics": [("test/nll", math.nan, 0)]},
        {"artifacts": {"curve.txt": b"other"}},
        {"artifacts": {"other.txt": b"0.0\n"}},
        {"dataset": replace(DATA, digest="def")},
        {"dataset": None},
        {"status": "FAILED"},
        {"parent": None},
    ],
    ids=str,
)
def test_every_field_changes_the_digest(change):
    assert digest(replace(child(0.0), **change)) != digest(child(0.0))


def test_an_artifact_is_the_same_from_memory_and_from_a_file(tmp_path):
    (tmp_path / "any.txt").write_bytes(b"0.0\n")
    files = {"curve.txt": tmp_path / "any.txt", "tables/point.json": b'{"n": 30}\n'}
    assert digest(replace(child(0.0), artifacts=files)) == digest(child(0.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": [("accuracy %", 1.0, 0)]}, "accuracy %"),
        ({"metrics": [("a/../b", 1.0, 0)]}, r"a/\.\./b"),
        ({"metrics": [("nll", 1.0, 0), ("nll", 2.0, 0)]}, "twice"),
        ({"params": {"rate=": 1.0}}, "rate="),
        ({"tags": {"superseded": "true"}}, "superseded"),
        ({"artifacts": {"../outside": b""}}, "outside"),
        ({"artifacts": {"/outside": b""}}, "outside"),
    ],
)
def test_what_mlflow_would_refuse_is_refused_when_it_is_made(change, message):
    with pytest.raises(InputError, match=message):
        replace(child(0.0), **change)


# The plan


def stored(record: RunRecord, run_id: str, **change: object) -> StoredRun:
    run = StoredRun(
        run_id=run_id,
        experiment=change.pop("experiment", record.experiment),
        status=change.pop("status", record.status),
        artifact_uri="file:///x",
        start=0,
        tags={},
    )
    tags = {"key": record.key, "digest": digest(record), "superseded": "false", **change}
    return replace(run, tags={TAGS[name]: value for name, value in tags.items() if value is not None})


TAGS = {
    "key": "record.key",
    "digest": "record.digest",
    "superseded": "superseded",
    "parent": "mlflow.parentRunId",
    "links": "record.links",
}


def plan_for(records, runs, intact=lambda *_: True):
    return plan(records, runs, intact=intact)


def test_a_parent_is_planned_before_its_children():
    steps = plan_for(RECORDS, [])
    assert steps[0].record == PARENT
    assert [step.refers for step in steps] == [{}, {PARENT.key: ""}, {PARENT.key: ""}]


@pytest.mark.parametrize(
    ("changes", "keep", "delete", "retire"),
    [
        ([{}], "0", (), ()),
        ([{"digest": None}], None, ("0",), ()),
        ([{"status": "RUNNING"}], None, ("0",), ()),
        ([{"digest": "old"}], None, (), ("0",)),
        ([{"digest": "old", "superseded": "true"}], None, (), ()),
        ([{}, {}], "0", ("1",), ()),
        ([{"superseded": "true"}, {}], "1", ("0",), ()),
        ([{"superseded": "true"}, {"digest": "old"}], "0", (), ("1",)),
        ([{"key": "other"}], None, (), ()),
        ([{"experiment": "other"}], None, (), ()),
    ],
)
def test_plan(changes, keep, delete, retire):
    runs = [stored(PARENT, str(number), **change) for number, change in enumerate(changes)]
    (step,) = plan_for([PARENT], runs)
    assert (step.keep.run_id if step.keep else None, step.delete, step.retire) == (keep, delete, retire)
    assert step.settled == (changes == [{}])


def test_a_run_that_lost_its_artifacts_is_replaced():
    (step,) = plan_for([PARENT], [stored(PARENT, "0")], intact=lambda *_: False)
    assert (step.keep, step.delete) == (None, ("0",))


def test_a_child_that_points_elsewhere_is_not_settled():
    runs = [stored(PARENT, "p"), stored(child(0.0), "c", parent="gone")]
    assert [step.settled for step in plan_for([PARENT, child(0.0)], runs)] == [True, False]


def test_tags_that_hold_run_ids_change_with_them_and_the_digest_does_not():
    record, runs = LINKED[1], {PARENT.key: "p", child(0.0).key: "a"}
    assert record.refers == [PARENT.key, child(0.0).key]
    tags = reference_tags(record, runs)
    assert tags["mlflow.parentRunId"] == "p"
    assert note_tag(record, experiment="7", runs=runs) == {
        "mlflow.note.content": "part of [it](#/experiments/7/runs/p?workflowType=machine_learning), "
        "unlike [none](#/experiments/7/runs/a?workflowType=machine_learning)"
    }
    other = reference_tags(record, runs | {child(0.0).key: "b"})
    assert {name for name in tags if tags[name] != other[name]} == {"record.links"}
    assert reference_tags(PARENT, {}) == {}


def linked_runs(**changes: dict[str, object]) -> list[StoredRun]:
    """Stored runs of LINKED, all settled, but for changes by run id."""
    ids = dict(zip([record.key for record in LINKED], "abp", strict=True))
    return [
        stored(
            record,
            ids[record.key],
            **dict(zip(("parent", "links"), map(reference_tags(record, ids).get, NAMES), strict=True))
            | changes.get(ids[record.key], {}),
        )
        for record in LINKED
    ]


NAMES = ("mlflow.parentRunId", "record.links")


@pytest.mark.parametrize(
    ("changes", "unsettled"),
    [
        ({}, ""),
        ({"a": {"links": None}}, "a"),
        ({"a": {"parent": "b"}}, "a"),
        ({"p": {"links": "half written"}}, "p"),
        ({"b": {"digest": "old"}}, "bp"),  # is written again: the parent has to link to its successor
        ({"p": {"digest": None}}, "abp"),
    ],
    ids=str,
)
def test_whatever_names_a_run_is_settled_when_it_names_the_current_one(changes, unsettled):
    steps = plan_for(LINKED, linked_runs(**changes))
    ids = dict(zip([record.key for record in LINKED], "abp", strict=True))
    assert {ids[step.record.key] for step in steps if not step.settled} == set(unsettled)


def test_contradicting_records_are_refused():
    with pytest.raises(InputError, match="more than once"):
        plan_for([PARENT, PARENT], [])
    with pytest.raises(InputError, match=r"parent of .* must be published"):
        plan_for([child(0.0)], [])
    with pytest.raises(InputError, match="circle"):
        plan_for([replace(PARENT, parent=PARENT.key)], [])
    with pytest.raises(InputError, match=r"linked from .* must be published .* got 'nowhere'"):
        plan_for([replace(PARENT, description="[x](record:nowhere)")], [])


def test_a_parent_may_have_been_published_earlier():
    (step,) = plan_for([child(0.0)], [stored(PARENT, "p")])
    assert step.refers == {PARENT.key: "p"}


def test_a_surplus_run_is_a_current_one_of_the_same_experiment_without_a_record():
    gone = stored(child(0.2), "gone")
    kept = [
        stored(PARENT, "recorded"),
        stored(child(0.2), "history", superseded="true"),
        stored(child(0.2), "elsewhere", experiment="other"),
    ]
    assert surplus([PARENT], [*kept, gone]) == [gone]


# The local database, without mlflow


def test_uris(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path.resolve()}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking_uri(tmp_path) == "http://127.0.0.1:5000"
    assert database_of("http://127.0.0.1:5000") is None
    assert database_of("sqlite://") is None
    assert database_of("sqlite:///mlflow.db") == Path.cwd().resolve() / "mlflow.db"
    odd = tmp_path.resolve() / "50% ?#é" / "mlflow.db"
    assert database_of(uri_of(odd)) == odd


@pytest.mark.parametrize(("name", "folder"), [("lab/a b", "lab-a-b"), ("12", "experiment-12"), ("../..", "experiment")])
def test_artifact_folders_are_readable_and_never_digits(name, folder):
    assert artifact_root(Path("/srv/mlflow.db"), name) == Path("/srv/mlruns") / folder


def test_without_a_database_everything_is_missing(tmp_path):
    assert set(missing(RECORDS, uri_of(tmp_path / "mlflow.db"))) == {record.identity for record in RECORDS}
    assert list(tmp_path.iterdir()) == []


def broken_databases(path: Path) -> Iterator[str]:
    for kind, content in {"an empty file": b"", "not a database": b"not a database" * 100}.items():
        path.write_bytes(content)
        yield kind
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE runs (run_uuid TEXT)")
    connection.close()
    yield "no such"


def test_a_corrupt_database_is_one_line_and_stays(tmp_path):
    path = tmp_path / "mlflow.db"
    for kind in broken_databases(path):
        before = path.read_bytes()
        with pytest.raises(InputError, match=kind) as caught:
            publish_in(tmp_path)
        assert "delete it" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_an_operating_system_error(tmp_path):
    (tmp_path / "mlruns").write_text("in the way")
    with pytest.raises(OSError, match="mlruns"):
        publish_in(tmp_path)


# The whole way


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """An empty store, made once; importing mlflow and creating its database takes seconds."""
    root = tmp_path_factory.mktemp("template")
    (root / "mlruns").mkdir()
    with connected(uri_of(root / "mlflow.db")):
        return root


@pytest.fixture
def root(template, tmp_path) -> Path:
    """A copy of the empty store."""
    shutil.copytree(template, tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def client(root):
    from mlflow import MlflowClient  # noqa: PLC0415 (seconds)

    client = MlflowClient(uri_of(root / "mlflow.db"))
    yield client
    client._tracking_client.store.engine.dispose()


@pytest.mark.slow
class TestStore:
    def test_a_second_time_nothing_happens_and_mlflow_is_not_imported(self, root):
        assert publish_in(root) == Published(created=3, unchanged=0, replaced=0)
        before = (root / "mlflow.db").read_bytes()
        found = python("-c", script(root) + "\nimport sys; print('mlflow' in sys.modules)")
        assert found.stdout.split("\n")[:2] == ["Published(created=0, unchanged=3, replaced=0, retired=0)", "False"], (
            found.stderr
        )
        assert found.stderr == ""
        assert (root / "mlflow.db").read_bytes() == before

    def test_a_first_time_makes_no_noise_and_ignores_the_surroundings(self, tmp_path):
        hijack = {"MLFLOW_RUN_ID": "0" * 32, "MLFLOW_EXPERIMENT_ID": "77", "MLFLOW_ACTIVE_MODEL_ID": "m-1"}
        check = "\nprint(os.environ['MLFLOW_RUN_ID'][:2], os.environ.get('MLFLOW_DISABLE_TELEMETRY'))"
        found = python("-c", script(tmp_path) + check, **hijack)
        assert found.stderr == ""
        assert found.stdout.splitlines() == ["Published(created=3, unchanged=0, replaced=0, retired=0)", "00 None"]
        assert {run.experiment for run in runs_in(tmp_path).values()} == {EXPERIMENT}
        assert sorted(os.listdir(tmp_path)) == ["mlflow.db", "mlruns"]

    def test_what_a_run_says(self, root, client):
        publish_in(root)
        runs = runs_in(root)
        run = client.get_run(runs[child(0.2).key].run_id)
        assert run.info.run_name == "dropout=0.2"
        assert run.info.status == "FINISHED"
        assert run.data.params == {"dropout": "0.2", "epochs": "200", "norm": "False"}
        assert run.data.metrics == {"test/nll": 0.5 / 3, "gap/nll": 0.25}
        history = client.get_metric_history(run.info.run_id, "test/nll")
        assert [(metric.step, metric.value) for metric in history] == [(0, 0.5), (10, 0.5 / 3)]
        assert run.data.tags["mlflow.parentRunId"] == runs[PARENT.key].run_id
        assert (
            run.data.tags.items() >= {**PROVENANCE, "variant": "dropout", "record.digest": digest(child(0.2))}.items()
        )
        (data,) = run.inputs.dataset_inputs
        assert (data.dataset.name, data.dataset.digest, data.dataset.schema) == ("mixture", "abc123", '{"x": "float"}')
        assert json.loads(data.dataset.source) == {"uri": "data/mixture.npz"}
        assert [(tag.key, tag.value) for tag in data.tags] == [("mlflow.data.context", "training")]
        parent = client.get_run(runs[PARENT.key].run_id)
        assert parent.data.tags["mlflow.note.content"] == "# A sweep"
        assert "mlflow.parentRunId" not in parent.data.tags

    def test_many_metrics_params_and_values_that_are_not_finite(self, root, client):
        metrics = [("loss", 1.0 / (1 + step), step) for step in range(2500)]
        odd = [("nan", math.nan, 0), ("inf", math.inf, 3), ("low", -math.inf, 0), ("big", 1e300, 0)]
        params = {f"p{number}": number for number in range(150)}
        record = replace(PARENT, key="many", metrics=metrics + odd, params=params, description="é" * 9000)
        publish_in(root, [record])
        run = client.get_run(runs_in(root)["many"].run_id)
        assert len(run.data.params) == 150
        assert len(client.get_metric_history(run.info.run_id, "loss")) == 2500
        assert all(math.isnan(run.data.metrics[name]) for name in ("nan", "inf", "low"))
        assert run.data.metrics["big"] == 1e300
        assert run.data.tags["record.not_finite"] == "nan@0=nan, inf@3=inf, low@0=-inf"
        assert run.data.tags["mlflow.note.content"].endswith("é ... (cut)")

    def test_a_long_description_is_not_cut_through_a_link(self, root, client):
        text = f"[0](record:{PARENT.key}) " * 100
        publish_in(root, [replace(PARENT, description=text)])
        run = client.get_run(runs_in(root)[PARENT.key].run_id)
        note = run.data.tags["mlflow.note.content"]
        assert 7800 < len(note) <= 8000
        assert set(note.removesuffix(" ... (cut)").split()) == {
            f"[0](#/experiments/1/runs/{run.info.run_id}?workflowType=machine_learning)"
        }

    def test_links_lead_to_the_current_runs(self, root, client):
        publish_in(root, LINKED)
        before = runs_in(root)
        assert links_of(client, before[PARENT.key]) == [before[child(rate).key].run_id for rate in (0.0, 0.2)]
        assert links_of(client, before[child(0.2).key]) == [before[key].run_id for key in (PARENT.key, child(0.0).key)]
        content = (root / "mlflow.db").read_bytes()
        assert publish_in(root, LINKED) == Published(created=0, unchanged=3, replaced=0)
        assert (root / "mlflow.db").read_bytes() == content

    def test_a_child_that_gets_a_successor_changes_the_links_to_it_and_no_other_run(self, root, client):
        publish_in(root, LINKED)
        before, uri = runs_in(root), uri_of(root / "mlflow.db")
        changed = [replace(LINKED[0], tags={"variant": "other"}), *LINKED[1:]]
        assert set(missing(changed, uri)) == {record.identity for record in LINKED}
        assert publish_in(root, changed) == Published(created=0, unchanged=2, replaced=1)
        after = runs_in(root)
        assert {key for key in after if after[key].run_id != before[key].run_id} == {child(0.0).key}
        assert links_of(client, after[PARENT.key])[0] == after[child(0.0).key].run_id
        assert links_of(client, after[child(0.2).key])[1] == after[child(0.0).key].run_id
        assert missing(changed, uri) == []

    def test_an_edited_note_is_kept_while_its_links_hold(self, root, client):
        publish_in(root, LINKED)
        run = runs_in(root)[PARENT.key].run_id
        client.set_tag(run, "mlflow.note.content", "my own words")
        publish_in(root, LINKED)
        assert client.get_run(run).data.tags["mlflow.note.content"] == "my own words"
        publish_in(root, [LINKED[0], replace(LINKED[1], status="FAILED"), LINKED[2]])
        assert "(#/experiments/" in client.get_run(run).data.tags["mlflow.note.content"]

    def test_an_experiment_says_what_it_is_once(self, root, client):
        uri, identity = uri_of(root / "mlflow.db"), (EXPERIMENT, "")
        publish_in(root)
        assert missing(RECORDS, uri, pages=[PAGE]) == [identity]
        assert publish_in(root, pages=(PAGE,)) == Published(created=0, unchanged=3, replaced=0)
        found = client.get_experiment_by_name(EXPERIMENT)
        assert found.tags == experiment_tags(PAGE, found.experiment_id)
        assert f"(#/experiments/{found.experiment_id}/runs?" in found.tags["mlflow.note.content"]
        assert view_addresses([EXPERIMENT], uri, view="points")[EXPERIMENT] in found.tags["mlflow.note.content"]
        content = (root / "mlflow.db").read_bytes()
        publish_in(root, pages=(PAGE,))
        assert (root / "mlflow.db").read_bytes() == content
        assert missing(RECORDS, uri, pages=[replace(PAGE, description="other")]) == [identity]

    def test_an_experiments_page_that_was_half_written_is_written_again(self, tmp_path):
        kill = "os.kill(os.getpid(), signal.SIGKILL)"
        before = f"import mlflow\nmlflow.MlflowClient.set_experiment_tag = lambda *_: {kill}"
        dying = script(tmp_path, before=before).replace("provenance", "pages=[PAGE], provenance")
        assert python("-c", dying).returncode == -signal.SIGKILL
        assert missing(RECORDS, uri_of(tmp_path / "mlflow.db"), pages=[PAGE]) == [(EXPERIMENT, "")]
        publish_in(tmp_path, pages=(PAGE,))
        (found,) = [one for one in stored_experiments(tmp_path / "mlflow.db") if one.name == EXPERIMENT]
        assert found.digest == PAGE.digest

    def test_killed_before_the_links_were_told(self, tmp_path):
        kill = "os.kill(os.getpid(), signal.SIGKILL)"
        before = "import mlflow\nRECORDS = LINKED\nmlflow.MlflowClient.log_batch = (lambda log: lambda *a, tags, **k: "
        before += f"{kill} if tags[0].key == 'mlflow.note.content' else log(*a, tags=tags, **k))"
        before += "(mlflow.MlflowClient.log_batch)"
        assert python("-c", script(tmp_path, before=before)).returncode == -signal.SIGKILL
        assert missing(LINKED, uri_of(tmp_path / "mlflow.db")) == [PARENT.identity]
        runs = runs_in(tmp_path)
        assert publish_in(tmp_path, LINKED) == Published(created=0, unchanged=3, replaced=0)
        assert {run.run_id for run in runs_in(tmp_path).values()} == {run.run_id for run in runs.values()}
        assert missing(LINKED, uri_of(tmp_path / "mlflow.db")) == []

    def test_deleted_files_are_restored(self, root):
        publish_in(root)
        for path in (root / "mlruns", root / "mlflow.db"):
            path.unlink() if path.is_file() else shutil.rmtree(path)
            assert len(missing(RECORDS, uri_of(root / "mlflow.db"))) >= 2
            publish_in(root)
            assert missing(RECORDS, uri_of(root / "mlflow.db")) == []
            assert set(runs_in(root)) == {record.key for record in RECORDS}

    def test_one_lost_artifact_replaces_one_run(self, root):
        publish_in(root)
        before = runs_in(root)
        shutil.rmtree(artifact_root(root / "mlflow.db", EXPERIMENT) / before[child(0.2).key].run_id)
        assert publish_in(root) == Published(created=0, unchanged=2, replaced=1)
        changed = {key for key, run in runs_in(root).items() if run.run_id != before[key].run_id}
        assert changed == {child(0.2).key}

    def test_a_replaced_parent_keeps_its_children(self, root, client):
        publish_in(root)
        before = runs_in(root)
        client.delete_run(before[PARENT.key].run_id)
        assert len(missing(RECORDS, uri_of(root / "mlflow.db"))) == 3
        assert publish_in(root) == Published(created=1, unchanged=2, replaced=0)
        after = runs_in(root)
        assert after[child(0.0).key].run_id == before[child(0.0).key].run_id
        assert after[child(0.0).key].references["mlflow.parentRunId"] == after[PARENT.key].run_id

    def test_a_deleted_experiment_comes_back(self, root, client):
        publish_in(root)
        client.delete_experiment(client.get_experiment_by_name(EXPERIMENT).experiment_id)
        assert len(missing(RECORDS, uri_of(root / "mlflow.db"))) == 3
        publish_in(root)
        assert set(runs_in(root)) == {record.key for record in RECORDS}

    def test_changed_content_and_back(self, root):
        first, second = [PARENT, child(0.0)], [PARENT, child(0.0, nll=0.4)]
        publish_in(root, first)
        before = runs_in(root)[child(0.0).key]
        assert publish_in(root, second) == Published(created=0, unchanged=1, replaced=1)
        between = runs_in(root)[child(0.0).key]
        assert between.run_id != before.run_id
        assert publish_in(root, first) == Published(created=0, unchanged=2, replaced=0)
        assert runs_in(root)[child(0.0).key].run_id == before.run_id
        history = [run for run in stored_runs(root / "mlflow.db") if run.superseded]
        assert [run.run_id for run in history] == [between.run_id]
        assert publish_in(root, first) == Published(created=0, unchanged=2, replaced=0)

    def test_a_removed_record_is_retired_and_comes_back(self, root):
        publish_in(root)
        uri, before = uri_of(root / "mlflow.db"), runs_in(root)
        fewer = [PARENT, child(0.0)]
        assert missing(fewer, uri) == []
        assert missing(fewer, uri, complete=True) == [child(0.2).identity]
        assert publish_in(root, fewer, complete=True) == Published(created=0, unchanged=2, replaced=0, retired=1)
        assert missing(fewer, uri, complete=True) == []
        assert set(runs_in(root)) == {PARENT.key, child(0.0).key}
        assert len(stored_runs(root / "mlflow.db")) == 3
        assert publish_in(root, complete=True) == Published(created=0, unchanged=3, replaced=0)
        assert runs_in(root) == before

    def test_a_removed_variant_and_its_points_are_retired_and_others_experiments_are_not(self, root):
        publish_in(root)
        other, elsewhere = replace(PARENT, key="mixture/none"), replace(PARENT, experiment="elsewhere")
        publish_in(root, [elsewhere])
        assert publish_in(root, [other], complete=True) == Published(created=1, unchanged=0, replaced=0, retired=3)
        assert set(runs_in(root)) == {other.key, elsewhere.key}
        assert publish_in(root, [other], complete=True) == Published(created=0, unchanged=1, replaced=0)

    def test_a_part_retires_nothing(self, root):
        publish_in(root)
        publish_in(root, [PARENT, child(0.7)])
        assert set(runs_in(root)) == {record.key for record in [*RECORDS, child(0.7)]}

    def test_a_complete_publication_brings_its_parents(self, root):
        publish_in(root)
        with pytest.raises(InputError, match="parent of"):
            publish_in(root, [child(0.0)], complete=True)
        assert set(runs_in(root)) == {record.key for record in RECORDS}

    def test_duplicates_and_half_runs_go(self, root, client):
        publish_in(root)
        number = client.get_experiment_by_name(EXPERIMENT).experiment_id
        tags = {"record.key": PARENT.key, "superseded": "false"}
        half = client.create_run(number, tags=tags).info.run_id
        double = client.create_run(number, tags={**tags, "record.digest": digest(PARENT)}).info.run_id
        client.set_terminated(double)
        foreign = client.create_run(number, run_name="the user's own").info.run_id
        publish_in(root)
        stages = [client.get_run(run_id).info.lifecycle_stage for run_id in (half, double, foreign)]
        assert stages == ["deleted", "deleted", "active"]
        assert missing(RECORDS, uri_of(root / "mlflow.db")) == []

    def test_a_moved_or_copied_folder_heals_and_loses_nothing(self, root, tmp_path):
        publish_in(root)
        before = runs_in(root)
        copy = shutil.copytree(root, tmp_path / "copy")
        assert len(missing(RECORDS, uri_of(copy / "mlflow.db"))) == 2  # those that have artifacts
        assert publish_in(copy) == Published(created=3, unchanged=0, replaced=0)
        assert missing(RECORDS, uri_of(copy / "mlflow.db")) == []
        runs = [run for run in stored_runs(copy / "mlflow.db") if run.experiment == EXPERIMENT]
        assert {run.key for run in runs} == before.keys()
        assert all(run.artifact_uri.startswith((copy / "mlruns").as_uri()) for run in runs)
        earlier = {run.run_id for run in stored_runs(copy / "mlflow.db") if run.experiment != EXPERIMENT}
        assert earlier == {run.run_id for run in before.values()}
        assert runs_in(root) == before
        assert missing(RECORDS, uri_of(root / "mlflow.db")) == []

    def test_odd_folder_names(self, tmp_path):
        root = tmp_path / "a b#cé+"
        root.mkdir()
        publish_in(root)
        assert missing(RECORDS, uri_of(root / "mlflow.db")) == []
        assert [path.name for path in tmp_path.iterdir()] == [root.name]

    @pytest.mark.parametrize("place", ["progress", "set_terminated", "log_batch"])
    def test_killed_in_the_middle(self, tmp_path, place):
        kill = "os.kill(os.getpid(), signal.SIGKILL)"
        if place == "progress":
            dying = script(tmp_path, progress=f"lambda done, n: done == 2 and {kill}")
        else:
            before = f"import mlflow\nmlflow.MlflowClient.{place} = lambda *_, **__: {kill}"
            dying = script(tmp_path, before=before)
        assert python("-c", dying).returncode == -signal.SIGKILL
        assert missing(RECORDS, uri_of(tmp_path / "mlflow.db"))
        found = python("-c", script(tmp_path))
        assert found.returncode == 0, found.stderr
        assert set(runs_in(tmp_path)) == {record.key for record in RECORDS}
        assert len(stored_runs(tmp_path / "mlflow.db")) == 3

    def test_two_at_once(self, tmp_path):
        program = [sys.executable, "-c", script(tmp_path)]
        environment = {**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'tests'}"}
        pair = [subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        said = sorted(process.communicate(timeout=120)[0] for process in pair)
        assert [process.returncode for process in pair] == [0, 0]
        assert said == [f"{Published(0, 3, 0)}\n", f"{Published(3, 0, 0)}\n"]
        assert len(stored_runs(tmp_path / "mlflow.db")) == 3

    def test_a_journal_left_by_a_killed_writer_is_undone(self, root):
        publish_in(root)
        die = (
            f"import os, signal, sqlite3; c = sqlite3.connect({str(root / 'mlflow.db')!r}); "
            "c.execute('PRAGMA cache_size=2'); c.execute('DELETE FROM tags'); c.execute('DELETE FROM metrics'); "
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        python("-c", die)
        assert (root / "mlflow.db-journal").exists()
        assert missing(RECORDS, uri_of(root / "mlflow.db")) == []

    def test_a_full_disk_is_one_line(self, root):
        publish_in(root)
        limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
        records = "RECORDS = [replace(PARENT, key=str(i), description='x' * 8000) for i in range(50)]"
        outcome = "try:\n    {}\nexcept (InputError, OSError) as error:\n    print('caught', error)"
        program, call = script(root, before=f"{limit}\n{records}").rsplit("\n", 1)
        found = python("-c", f"{program}\n{outcome.format(call)}")
        assert found.stdout.startswith("caught"), found.stderr
        assert found.stdout.count("\n") == 1
        assert found.stderr == ""
        assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000
        publish_in(root)

    def test_an_older_schema_is_not_converted(self, root):
        with sqlite3.connect(root / "mlflow.db") as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'older'")
        connection.close()
        with pytest.raises(InputError, match=r"found version older, .* run 'mlflow db upgrade"):
            publish_in(root, [child(0.7), PARENT])

    def test_a_database_deleted_between_two_publications_of_one_process(self, root):
        publish_in(root, [PARENT, child(0.4)])
        (root / "mlflow.db").unlink()
        time.sleep(1.1)  # no connection is kept for longer than a second
        publish_in(root, [PARENT, child(0.5)])
        assert set(runs_in(root)) == {PARENT.key, child(0.5).key}

    def test_a_tracking_uri_mlflow_cannot_use_is_one_line(self, tmp_path):
        with pytest.raises(InputError, match="MLflow must be able to use") as caught:
            publish(RECORDS, uri=str(tmp_path / "mlruns"), provenance={})
        assert "\n" not in str(caught.value)


@pytest.mark.slow
class TestUnreachable:
    @pytest.mark.parametrize("name", [None, 401, 500, 503, 404, "hangs", "a web page"])
    def test_a_server_that_does_not_serve_is_one_line_within_seconds(self, name, monkeypatch):
        for setting in AT_FIRST:
            monkeypatch.delenv(setting, raising=False)
        before, start = dict(os.environ), time.monotonic()
        with failing_server(name) as address, pytest.raises(InputError, match=re.escape(address)) as caught:
            publish(RECORDS, uri=address, provenance={})
        assert time.monotonic() - start < 15  # six seconds and an import of mlflow, on a busy machine
        assert "\n" not in str(caught.value)
        assert str(name if isinstance(name, int) else "") in str(caught.value)
        assert dict(os.environ) == before

    def test_looking_is_as_quick_as_publishing(self):
        with failing_server(None) as address, pytest.raises(InputError, match=re.escape(address)):
            missing(RECORDS, address)

    def test_what_the_user_set_is_kept(self, monkeypatch):
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        seen = []
        with failing_server(500, seen) as address, pytest.raises(InputError):
            publish(RECORDS, uri=address, provenance={})
        assert len(seen) == 1

    @pytest.mark.parametrize(
        ("uri", "shown"),
        [
            ("nonsense://here", "nonsense://here"),
            ("mysql://user:secret@127.0.0.1:9/x", "mysql://user:***@127.0.0.1:9/x"),
            ("postgresql://user:secret@127.0.0.1:9/x", "postgresql://user:***@127.0.0.1:9/x"),
            ("postgresql://user:secret@secret@127.0.0.1:9/x?password=secret", "postgresql://user:***@127.0.0.1:9/x"),
            ("http://user:secret@127.0.0.1:9", "http://***@127.0.0.1:9"),
            ("http://user:secret/secret@127.0.0.1:9", "http://***@127.0.0.1:9"),
            ("http://secret@127.0.0.1:9/?token=secret", "http://***@127.0.0.1:9/"),
            ("http://user:secret[secret@127.0.0.1:9", "http://***@127.0.0.1:9"),
        ],
    )
    def test_what_cannot_be_used_is_one_line_without_secrets(self, uri, shown):
        start = time.monotonic()
        with pytest.raises(InputError, match=f"^MLFLOW_TRACKING_URI: .*{re.escape(shown)}") as caught:
            publish(RECORDS, uri=uri, provenance={})
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)
        assert time.monotonic() - start < 10

    @pytest.mark.parametrize(("server", "kind"), [(full, "http"), (silent, "postgresql")])
    def test_silence_is_one_line_within_seconds(self, server, kind):
        begun = time.monotonic()
        with server() as (host, port), pytest.raises(InputError, match=r"^MLFLOW_TRACKING_URI: .*(within|timeout=)"):
            publish(RECORDS, uri=f"{kind}://me@{host}:{port}", provenance={})
        assert time.monotonic() - begun < 15  # six seconds and an import of mlflow, on a busy machine

    def test_a_server_that_takes_five_seconds_is_waited_for(self):
        with failing_server("late") as address, pytest.raises(InputError, match="valid JSON format"):
            publish(RECORDS, uri=address, provenance={})

    def test_the_command_ends_in_one_line_naming_the_uri(self):
        uri = "http://127.0.0.1:9"
        call = f"publish(RECORDS, uri={uri!r}, provenance={{}})"
        program = (
            f"from tracking.test_publish import *\ntry:\n    {call}\nexcept InputError as error:\n    print(error)"
        )
        found = python("-c", program)
        assert (found.stdout.count("\n"), found.stderr) == (1, "")
        assert uri in found.stdout
        assert "refused" in found.stdout


@contextmanager
def failing_server(kind: int | str | None, seen: list[str] | None = None) -> Iterator[str]:
    """An address where nobody listens (None), or a status, silence or a web page is the only answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            (seen if seen is not None else []).append(self.path)
            if kind == "hangs":
                released.wait(30)
            if kind == "late":
                time.sleep(5)
            self.send_response(kind if isinstance(kind, int) else 200)
            self.send_header("Retry-After", "60")
            self.send_header("Content-Length", "13")
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(b"<html>\n</html")

        def log_message(self, *_):
            pass

    Handler.do_POST = Handler.do_GET
    released = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None
    address = f"http://127.0.0.1:{server.server_port}"
    if kind is None:
        server.server_close()
        yield address
        return
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield address
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[], ["--backend-store-uri", "sqlite:///mlflow.db"]], ids=["bare", "explicit"])
def test_the_user_interface_shows_runs_and_artifacts(root, arguments):
    publish_in(root)
    with server(root, arguments) as address:
        experiment = ask(address, "experiments/get-by-name?" + urllib.parse.urlencode({"experiment_name": EXPERIMENT}))
        number = experiment["experiment"]["experiment_id"]
        query = {"experiment_ids": [number], "filter": "tags.superseded = 'false' AND params.dropout = '0.2'"}
        (run,) = ask(address, "runs/search", query)["runs"]
        assert run["info"]["run_name"] == "dropout=0.2"
        where = urllib.parse.urlencode({"path": "tables/point.json", "run_uuid": run["info"]["run_id"]})
        with urllib.request.urlopen(f"{address}/get-artifact?{where}") as answer:
            assert answer.read() == b'{"n": 30}\n'
        if arguments:
            check_publishing_to_a_server(address)


def links_of(client, run: StoredRun) -> list[str]:
    """The ids of the runs that a run's note links to."""
    return re.findall(r"/runs/(\w+)\?", client.get_run(run.run_id).data.tags["mlflow.note.content"])


def check_publishing_to_a_server(address: str) -> None:
    """The general path, through MLflow's own client."""
    experiment = "elsewhere"
    records = [replace(record, experiment=experiment) for record in RECORDS]
    records.append(replace(records[0], key="nan", metrics=[("nan", math.nan, 0), ("inf", math.inf, 0)]))
    assert len(missing(records, address)) == 4
    assert publish(records, uri=address, provenance={}) == Published(created=4, unchanged=0, replaced=0)
    assert missing(records, address) == []
    assert publish(records, uri=address, provenance={}) == Published(created=0, unchanged=4, replaced=0)
    changed = [replace(record, description="changed") if record.key == "nan" else record for record in records]
    assert publish(changed, uri=address, provenance={}) == Published(created=0, unchanged=3, replaced=1)
    gone = replace(records[0], key="gone")
    publish([*changed, gone], uri=address, provenance={}, complete=True)
    assert missing(changed, address, complete=True) == [gone.identity]
    assert publish(changed, uri=address, provenance={}, complete=True).retired == 1
    assert missing(changed, address, complete=True) == []
    linked = [replace(changed[0], description=f"[other](record:{changed[1].key})"), *changed[1:]]
    page = replace(PAGE, name=experiment)
    assert missing(linked, address, pages=[page])[0] == (experiment, "")
    assert publish(linked, uri=address, provenance={}, pages=[page]).replaced == 1
    assert missing(linked, address, pages=[page]) == []
    assert view_addresses([experiment], address, view="points").keys() == {experiment}
    publish(changed, uri=address, provenance={})
    found = ask(address, "experiments/get-by-name?experiment_name=elsewhere")["experiment"]
    filters = {"experiment_ids": [found["experiment_id"]], "filter": "tags.superseded = 'false'"}
    runs = ask(address, "runs/search", filters)["runs"]
    assert len(runs) == 4
    where = urllib.parse.urlencode({"path": "curve.txt", "run_uuid": find(runs, child(0.2).key)["info"]["run_id"]})
    with urllib.request.urlopen(f"{address}/get-artifact?{where}") as answer:
        assert answer.read() == b"0.2\n"
    assert {str(metric["value"]) for metric in find(runs, "nan")["data"]["metrics"]} == {"NaN"}


def find(runs: list, key: str) -> dict:
    return next(run for run in runs if {"key": "record.key", "value": key} in run["data"]["tags"])


def ask(address: str, path: str, query: object = None) -> dict:
    body = None if query is None else json.dumps(query).encode()
    request = urllib.request.Request(f"{address}/api/2.0/mlflow/{path}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


class server:  # noqa: N801 (reads as a function where it is used)
    """A running `mlflow ui` in a folder, on a free port of this machine alone."""

    def __init__(self, root: Path, arguments: list[str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        command = ["-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", port, "--workers", "1", *arguments]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        self.address = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=root,
            env={**kept, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> str:
        for _ in range(900):
            try:
                urllib.request.urlopen(f"{self.address}/health").close()
            except OSError:
                assert self.process.poll() is None, "the server has stopped"
                time.sleep(0.2)
            else:
                return self.address
        self.__exit__()
        raise TimeoutError(self.address)

    def __exit__(self, *_: object) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
