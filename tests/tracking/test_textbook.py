"""Do the records of the claims ledger say what the table says?"""

import csv
import io
import json

import pytest

from pipeline.results.textbook import (
    CheckResult,
    ClaimResult,
    EffectCell,
    EffectResult,
    SentenceCounts,
    TextbookResults,
    VerdictCounts,
)
from pipeline.tracking.links import cited
from pipeline.tracking.publish import publish
from pipeline.tracking.textbook import VIEW, experiment_of, records_of


def cell(**changes):
    return EffectCell(**{
        "dataset": "task", "at": {"hidden": "8x8"}, "of": "dropout=0.5", "against": "dropout=0", "of_mean": 0.5,
        "against_mean": 0.7, "mean": -0.2, "low": -0.3, "high": -0.1, "n": 30, "inflation": None, "freedom": None,
        "verdict": "supported", "strict": "supported", **changes,
    })  # fmt: skip


def effect(*cells):
    return EffectResult(
        says="it is better",
        metric="test/nll",
        against_metric="test/nll",
        experiment="made",
        direction="lower",
        least=0.01,
        denied=False,
        aside="",
        cells=cells,
    )


def claim(name, topic, **changes):
    return ClaimResult(**{
        "id": name, "topic": topic, "sentence": "It helps.", "source": "here", "note": "", "quantifier": "all",
        "verdict": "open", "counts": VerdictCounts(supported=1, refuted=0, inconclusive=1),
        "places": (), "prevalence": None, "split": None,
        "datasets": ("task",), "seeds": 30, "recipe": {}, "checks": (), "axes": (),
        "effects": (effect(cell(), cell(mean=None, low=None, high=None, verdict="inconclusive")),), **changes,
    })  # fmt: skip


@pytest.fixture
def table():
    check = CheckResult(what="w", measured=0.0, expected=0.0, relation="equal", tolerance=0.0, holds=True)
    checked = {"effects": (), "checks": (check,), "seeds": 0, "datasets": ()}
    claims = (claim("dropout.helps", "dropout"), claim("decay.same", "weight_decay", **checked))
    counts = SentenceCounts(everywhere=0, depends=0, nowhere=0, open=2)
    return TextbookResults(seeds=30, counts=counts, claims=claims, audit=(), map=())


def test_a_record_a_claim_under_its_topic(table, tmp_path):
    (tmp_path / "dropout.helps.png").write_bytes(b"png")
    records = {record.name: record for record in records_of(table, {"dropout.helps": tmp_path / "dropout.helps.png"})}
    assert list(records) == ["dropout.helps", "decay.same", "dropout", "weight_decay"]
    helps = records["dropout.helps"]
    assert helps.parent == records["dropout"].key
    assert helps.tags["verdict"] == "open"
    assert set(helps.artifacts) == {"figures/dropout.helps.png", "tables/effects.csv"}
    assert ("effect/mean", -0.2, 0) in helps.metrics
    assert not [entry for entry in helps.metrics if entry[0] == "effect/mean" and entry[2] == 1]  # it has none
    assert ("parts/open", 1.0, 0) in helps.metrics
    assert records["decay.same"].artifacts == {}
    assert cited(records["dropout"].description) == [helps.key]


def test_the_table_of_effects_has_every_place(table):
    (helps, *_) = records_of(table, {})
    rows = list(csv.DictReader(io.StringIO(helps.artifacts["tables/effects.csv"].decode())))
    assert [row["verdict"] for row in rows] == ["supported", "open"]
    assert rows[0]["at"] == "hidden=8x8"
    assert rows[1]["mean"] == ""


@pytest.mark.slow
def test_the_tracking_server_takes_them_once(table, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    wanted = {"uri": uri, "provenance": {}, "pages": [experiment_of(table)], "complete": True}
    assert publish(records_of(table, {}), **wanted).created == 4
    assert publish(records_of(table, {}), **wanted).unchanged == 4
    assert [run.info.run_name for run in asked_by(experiment_of(table), uri)] == ["decay.same", "dropout.helps"]


def asked_by(experiment, uri):
    """The runs that the UI asks the server for when it opens the saved view."""
    from mlflow import MlflowClient  # noqa: PLC0415  (seconds)

    state = json.loads(json.loads(experiment.views[VIEW])["state"])
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    client = MlflowClient(uri)
    number = client.get_experiment_by_name(experiment.name).experiment_id
    return client.search_runs([number], state["searchFilter"], order_by=[order])
