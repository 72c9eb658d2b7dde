"""Are times of training noted beside the outputs, and do runs last as long?"""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pipeline.core.files import dvc_digest
from pipeline.tracking.database import stored_runs, uri_of
from pipeline.tracking.publish import Published, publish
from pipeline.tracking.runs import RunRecord
from pipeline.tracking.times import FOLDER, md5_of, note, note_moments, noted, spanned


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_what_is_noted_is_found_by_the_digest_that_dvc_gives(tmp_path):
    (tmp_path / "content").write_bytes(b"content")
    assert noted(dvc_digest(tmp_path / "content")) is None
    note(b"content", since=1.0, until=2.5)
    assert noted(dvc_digest(tmp_path / "content")) == (1000, 2500)


def test_what_is_damaged_is_not_known():
    note(b"content", since=1.0)
    (FOLDER / md5_of(b"content")).write_text("[1")
    assert noted(md5_of(b"content")) is None


def test_moments_are_kept_once_and_only_where_both_are_known():
    start = datetime(2026, 1, 1)
    note_moments(b"trial", None, start)
    assert noted(md5_of(b"trial")) is None
    for later in (1, 5):
        note_moments(b"trial", start, start + timedelta(seconds=later))
    begun, ended = noted(md5_of(b"trial"))
    assert ended - begun == 1000


def test_a_parent_lasts_from_the_first_to_the_last_of_its_children():
    def record(key: str, **more: object) -> RunRecord:
        return RunRecord(key=key, experiment="e", name=key, **more)

    records = [record("p"), record("a", parent="p", times=(3, 9)), record("b", parent="p", times=(2, 5)), record("c")]
    assert [each.times for each in spanned(records)] == [(2, 9), (3, 9), (2, 5), None]
    other = replace(records[1], experiment="f")
    assert spanned([records[0], other])[0].times is None


@pytest.mark.slow
def test_runs_last_as_long_as_training_did_and_their_times_are_no_reason_to_write_them_anew(tmp_path):
    from mlflow import MlflowClient  # noqa: PLC0415 (seconds)

    uri = uri_of(tmp_path / "mlflow.db")
    known = RunRecord(key="known", experiment="e", name="known", metrics=[("loss", 1.0, 0)], times=(1000, 61_000))
    unknown = RunRecord(key="unknown", experiment="e", name="unknown")
    publish([known, unknown], uri=uri, provenance={})
    client = MlflowClient(uri)
    infos = {run.key: client.get_run(run.run_id).info for run in stored_runs(tmp_path / "mlflow.db")}
    client._tracking_client.store.engine.dispose()
    assert (infos["known"].start_time, infos["known"].end_time) == (1000, 61_000)
    assert infos["unknown"].start_time == infos["unknown"].end_time
    again = publish([replace(known, times=None), unknown], uri=uri, provenance={})
    assert again == Published(created=0, unchanged=2, replaced=0)


GARBAGE = [b"", b"{", b"5", b"null", b"[1]", b"[1, 2, 3]", b'{"a": 1}', b"[null, null]", b"[1e999, 2]", b"[" * 10**5]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_note_with_garbage_is_none(garbage):
    note(b"content", since=1.0, until=2.0)
    assert noted(md5_of(b"content")) == (1000, 2000)
    (FOLDER / md5_of(b"content")).write_bytes(garbage)
    assert noted(md5_of(b"content")) is None
