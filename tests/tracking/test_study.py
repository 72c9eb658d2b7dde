"""Do the records say what the results say, also where training diverged?"""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from project import ROOT
from tracking.study_results import study_of

from pipeline.metrics.names import MetricName
from pipeline.results.calibrators import CalibratorResult, CalibratorResults
from pipeline.results.readable_names import readable, readable_arms
from pipeline.results.record import read_record
from pipeline.results.search import SearchResults
from pipeline.results.study import StudyResults
from pipeline.tracking.builder import AGAINST, HEADLINE, VERDICTS, Arrays, sentence
from pipeline.tracking.links import cited
from pipeline.tracking.runs import RunRecord, digest
from pipeline.tracking.study import COMPARED, CURVES, VIEW, experiment_of, records_of
from pipeline.tracking.writer import METRICS_A_BATCH
from pipeline.training.member import HISTORY

SEEDS, EPOCHS = 30, 20
OTHERS = 150  # more than the metrics beside the headline that an evaluation writes
NAMES = (*HEADLINE, *(MetricName.parse(f"train/other{number}") for number in range(OTHERS)))


def study(
    scores: np.ndarray,
    *,
    history: np.ndarray | None = None,
    figures: dict[str, Path] | None = None,
    calibrators: CalibratorResults | None = None,
) -> list[RunRecord]:
    """Records of a reference and dropout points, whose metrics all have these scores (points, seeds)."""
    results, arrays = finished(scores, history=history)
    return records_of(results, arrays, figures or {}, calibrators=calibrators)


def finished(scores: np.ndarray, *, history: np.ndarray | None = None) -> tuple[StudyResults, list[Arrays]]:
    """The table and the arrays that `records_of` reads; the last point is the answer."""
    rates = (np.arange(len(scores)) / 10).tolist()
    results = study_of(
        [("dropout", f"dropout={rate}", None) if rate else ("none", "none", None) for rate in rates],
        [{"hidden": (64, 64), "dropout": rate} for rate in rates],
        scores,
        metrics=NAMES,
        compared=HEADLINE,
        chosen=len(scores) - 1,
    )
    curves = np.ones((scores.shape[1], EPOCHS)) if history is None else history
    arrays: list[Arrays] = [
        {
            **{f"score/{name}": values for name in HEADLINE},
            **{f"history/{name}": curves for name in HISTORY},
            "history/epoch": np.arange(EPOCHS),
        }
        for values in scores
    ]
    return results, arrays


def scores(points: int = 2, seeds: int = SEEDS) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(points, seeds)) + np.arange(points)[:, None]


def find(records: list[RunRecord], name: str) -> RunRecord:
    return next(record for record in records if record.key.endswith(f"/{name}") and record.tags["level"] == "point")


def table_of(record: RunRecord, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(record.artifacts[path].decode())))


def values_of(record: RunRecord) -> dict[str, float]:
    return {name: value for name, value, step in record.metrics if step == 0}


def test_differences_come_with_their_interval():
    values = values_of(find(study(scores()), "dropout=0.1"))
    low, middle, high = (values[f"against_none/test_calibrated/nll{end}"] for end in ("/low", "", "/high"))
    assert low < middle < high


def test_a_run_has_about_fifteen_metrics_and_those_that_decide_come_first():
    metrics = find(study(scores()), "dropout=0.1").metrics
    names = list(dict.fromkeys(name for name, _, _ in metrics))
    assert len(names) == 15
    assert names[0] == "test_calibrated/nll"
    assert [name for name in names if name.startswith("curves/")] == [f"curves/{name}" for name in CURVES]
    assert ("tuning/refinement", 1) in [(name, sum(each == name for each, _, _ in metrics)) for name in names]
    # means; differences and P(better); the choice; each seed's value of what decides; curves
    assert len(metrics) == len(HEADLINE) + 5 + 1 + SEEDS + len(CURVES) * EPOCHS <= METRICS_A_BATCH


def test_names_are_those_of_other_surfaces():
    names = [record.name for record in study(scores(3)) if record.tags["level"] == "point"]
    assert names == ["none", "dropout 0.1", "dropout 0.2"]


def test_what_is_left_unregularized_has_the_parameters_of_none():
    results, arrays = finished(scores(3))
    leave = results.answer.model_copy(update={"recommendation": "leave it unregularized"})
    answer = records_of(results.model_copy(update={"answer": leave}), arrays, {})[-1]
    assert (answer.tags["recommended"], answer.params["dropout"]) == ("none", 0.0)


def test_the_answer_is_the_search_s_where_there_has_been_one():
    results, arrays = finished(scores(3))
    searched = read_record(SearchResults, ROOT / "reports/mixture/search.json")
    records = records_of(results, arrays, {}, searched=searched)
    answer, best = records[-1], searched.results.point(searched.results.recommended)
    assert answer.tags["recommended"] == readable_arms(best.name) != readable(results.recommended)
    assert answer.params["dropout"] == best.parameters.dropout != results.point(results.recommended).parameters.dropout
    text = sentence(searched.results, name=readable_arms)
    assert answer.description.startswith(text)
    assert "validation prefers [dropout 0.2](record:mixture/dropout/dropout=0.2)" in answer.description
    assert experiment_of(results, records, searched).description.startswith(text)
    assert json.loads(answer.artifacts["answer.json"])["key"] == best.key
    assert b"dropout=0.1" in answer.artifacts["tables/points.csv"]


def test_what_cannot_be_chosen_is_not_ordered_with_what_can():
    results, arrays = finished(scores(3))
    points = [point.model_copy(update={"a_a": place == 1}) for place, point in enumerate(results.points)]
    points[2] = points[2].model_copy(update={"duplicate": True})
    records = records_of(results.model_copy(update={"points": tuple(points)}), arrays, {})
    with_choice = {record.key for record in records if "tuning/refinement" in values_of(record)}
    assert with_choice == {"mixture/none/none"}


def test_times_are_no_content():
    record = find(study(scores()), "none")
    assert digest(replace(record, times=(1, 2))) == digest(record)


def test_the_reference_is_compared_with_nothing():
    reference = find(study(scores()), "none")
    assert {reference.tags[tag] for tag in VERDICTS.values()} == {"reference"}
    assert not any(name.startswith("against_none/") for name in values_of(reference))


def test_a_comparison_says_its_interval_and_verdict():
    record = find(study(scores(3)), "dropout=0.2")
    assert "**worse**" in record.description
    assert "not finite" not in record.description
    assert {record.tags[tag] for tag in VERDICTS.values()} == {"worse"}


def test_both_verdicts_are_tags():
    results, arrays = finished(scores(3))
    (none, first, last) = results.points
    name = MetricName.parse("test_calibrated/nll")
    same = first.comparison(name).model_copy(update={"equivalent": True})
    first = first.model_copy(update={"against_reference": first.against_reference | {name: same}})
    changed = results.model_copy(update={"points": (none, first, last)})
    tags = find(records_of(changed, arrays, {}), "dropout=0.1").tags
    assert (tags["verdict.as_trained"], tags["verdict.after_calibration"]) == ("worse", "same")


def test_a_variant_says_how_to_hide_history():
    parents = [record for record in study(scores()) if record.tags["level"] == "variant"]
    assert [record.name for record in parents] == ["none", "dropout"]
    assert all('tags.superseded = "false"' in record.description for record in parents)


def test_runs_link_to_their_relatives():
    records = {record.key: record for record in study(scores(3))}
    assert cited(records["mixture/dropout"].description) == ["mixture", *point_keys("dropout=0.1", "dropout=0.2")]
    assert cited(records["mixture/dropout/dropout=0.1"].description) == ["mixture/dropout", "mixture/none/none"]
    assert cited(records["mixture/none/none"].description) == ["mixture/none"]
    assert set(cited(records["mixture"].description)) == {
        "mixture/none/none",
        "mixture/dropout/dropout=0.2",
        "mixture/none",
        "mixture/dropout",
    }


def point_keys(*names: str) -> list[str]:
    return [f"mixture/dropout/{name}" for name in names]


def test_the_study_is_last_on_top_and_drawn_among_no_points():
    records = study(scores(3))
    answer = records[-1]
    assert (answer.key, answer.name, answer.parent) == ("mixture", "answer", None)
    assert answer.params == find(records, "dropout=0.2").params
    assert answer.params["dropout"] == 0.2
    tags = {"dataset": "mixture", "level": "study", "recommendation": "use", "recommended": "dropout 0.2"}
    assert answer.tags == tags
    assert answer.description.startswith(sentence(finished(scores(3))[0]))
    points = {name for record in records if record.tags["level"] == "point" for name, _, _ in record.metrics}
    assert not points & {name for name, _, _ in answer.metrics}
    assert values_of(answer)["recommended/test/nll"] == values_of(find(records, "dropout=0.2"))["test/nll"]
    assert json.loads(answer.artifacts["answer.json"])["recommendation"]


def test_the_answer_holds_whether_verdicts_survive_other_calibrators():
    usual = CalibratorResult(name="temperature scaling", nll={"none": 0.5}, against_reference={})
    made = CalibratorResults(seeds=30, confidence=0.95, counted=(), usual=usual, others=())
    artifacts = study(scores(3), calibrators=made)[-1].artifacts
    assert CalibratorResults.model_validate_json(artifacts["calibrators.json"]) == made
    assert "calibrators.json" not in study(scores(3))[-1].artifacts


def test_figures_go_where_they_belong_and_may_be_missing():
    figures = {
        "headline.png": Path("a"),
        "points/dropout/dropout=0.1.png": Path("c"),
    }
    records = study(scores(3), figures=figures)
    drawn = {
        record.key: {path: file for path, file in record.artifacts.items() if "figures" in path} for record in records
    }
    assert {key: found for key, found in drawn.items() if found} == {
        "mixture": {"figures/headline.png": Path("a")},
        "mixture/dropout/dropout=0.1": {"figures/reliability.png": Path("c")},
    }
    assert "`figures/reliability.png`" in find(records, "dropout=0.1").description
    assert "figures" not in find(records, "dropout=0.2").description


def test_tables_hold_what_was_found():
    records = study(scores(3))
    point = find(records, "dropout=0.1")
    rows = table_of(point, "tables/metrics.csv")
    assert [row["metric"] for row in rows[: len(HEADLINE)]] == list(map(str, HEADLINE))
    assert len(rows) == len(HEADLINE) + OTHERS
    values = values_of(point)
    assert float(rows[0]["mean"]) == values["test_calibrated/nll"]
    assert float(rows[0]["difference_low"]) == values["against_none/test_calibrated/nll/low"]
    assert rows[0]["verdict"] == point.tags["verdict.after_calibration"]
    seeds = table_of(point, "tables/seeds.csv")
    assert [int(row["seed"]) for row in seeds] == list(range(SEEDS))
    assert [float(row["test/nll"]) for row in seeds] == scores(3)[1].tolist()
    reference = table_of(find(records, "none"), "tables/metrics.csv")[0]
    assert (reference["difference"], reference["verdict"]) == ("", "")
    by_key = {record.key: record for record in records}
    assert [row["point"] for row in table_of(by_key["mixture/dropout"], "tables/points.csv")] == [
        "dropout=0.1",
        "dropout=0.2",
    ]
    assert len(table_of(by_key["mixture"], "tables/points.csv")) == 3


def test_a_duplicate_says_that_it_is_the_reference():
    same = np.repeat(scores(1), 2, axis=0)
    results, arrays = finished(same)
    points = (results.points[0], results.points[1].model_copy(update={"duplicate": True}))
    results = results.model_copy(update={"points": points})
    record = find(records_of(results, arrays, {}), "dropout=0.1")
    assert {record.tags[tag] for tag in VERDICTS.values()} == {"duplicate"}
    assert "[none](record:mixture/none/none) itself" in record.description


def test_the_experiment_shows_its_points():
    results, arrays = finished(scores())
    records = records_of(results, arrays, {})
    page = experiment_of(results, records)
    assert page.name == records[0].experiment
    assert page.description.startswith(sentence(results))
    assert json.loads(json.loads(page.views[VIEW])["state"])["orderByKey"] == "metrics.`tuning/refinement`"
    assert f"(charts:{VIEW})" in page.description
    assert f"(table:{VIEW})" in page.description
    state = json.loads(json.loads(page.views[VIEW])["state"])
    names = {name for record in records for name, _, _ in record.metrics}
    assert {f"metrics.`{name}`" for name in AGAINST} <= set(state["selectedColumns"]) == set(state["columnOrder"])
    assert {f"params.`{name}`" for name in COMPARED} <= set(state["selectedColumns"])
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} <= sections
    assert {chart["metricKey"] for chart in state["compareRunCharts"] if "metricKey" in chart} <= names
    assert {name.rpartition("/")[0] for name in names} <= sections
    assert len({chart["uuid"] for chart in state["compareRunCharts"]}) == len(state["compareRunCharts"])


@pytest.mark.parametrize(("broken", "words"), [(1, "not finite (in 1 of the seeds)"), (SEEDS, "not finite (in 30 of")])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_diverged_point_says_so(broken, words, value):
    diverged = scores()
    diverged[1, :broken] = value
    record = find(study(diverged, history=np.full((SEEDS, EPOCHS), value)), "dropout=0.1")
    assert words in record.description
    assert f"Not compared: {broken} of 30 seeds" in record.description
    assert {record.tags[tag] for tag in VERDICTS.values()} == {"not compared"}
    values = values_of(record)
    assert math.isnan(values["test/nll"])
    assert all(math.isnan(values[f"against_none/test_calibrated/nll{end}"]) for end in ("", "/low", "/high"))
    assert math.isnan(values["p_better/test_calibrated/nll"])
    assert not math.isfinite(values["curves/train/nll"])
    assert len(digest(record)) == 64


def test_a_diverged_reference_leaves_every_comparison_out():
    diverged = scores(3)
    diverged[0, 4] = math.nan
    records = study(diverged)
    assert "not finite (in 1 of the seeds)" in find(records, "none").description
    for name in ("dropout=0.1", "dropout=0.2"):
        assert "Not compared: 1 of 30 seeds of the reference" in find(records, name).description
        assert find(records, name).tags["verdict.after_calibration"] == "not compared"


def test_curves_that_diverge_both_ways_are_no_warning():
    both = np.where(np.arange(SEEDS)[:, None] % 2, math.inf, -math.inf) * np.ones(EPOCHS)
    assert math.isnan(values_of(find(study(scores(), history=both), "none"))["curves/train/nll"])


def test_one_seed_has_no_interval():
    record = find(study(scores(seeds=1)), "dropout=0.1")
    assert "[not finite, not finite]" in record.description
    assert math.isnan(values_of(record)["against_none/test_calibrated/nll/low"])
