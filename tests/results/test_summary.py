"""The summary across data sets says what the verdicts say."""

from pathlib import Path

import pytest

from pipeline.metrics.names import MetricName
from pipeline.results.record import read_record
from pipeline.results.study import Comparison, MetricSummary, PointResult, Ranking, StudyResults, Verdict
from pipeline.results.study_files import read_study
from pipeline.results.summary import BetterCounts, StageFindings, Summary, summary

REPORTS = Path(__file__).parents[2] / "reports"
PUBLISHED = read_study(REPORTS / "mixture/results.json")
MEANS = {"none": 0.5, "dropout=0.5": 0.4, "l2=0.1": 0.3, "noise=1": 0.6}
BEFORE, AFTER = (MetricName("test", stage, "nll") for stage in ("before", "after"))


def compared(verdict: Verdict, *, p_holm: float = 0.01, left_out: str | None = None) -> Comparison:
    any_comparison = PUBLISHED.points[1].against_reference[BEFORE]
    changes = {"verdict": verdict, "equivalent": False, "left_out": left_out, "p_holm": p_holm}
    return any_comparison.model_copy(update=changes)


def point(key: str, mean: float, comparisons: dict[MetricName, Comparison]) -> PointResult:
    summary_ = MetricSummary(mean=mean, low=None, high=None)
    changes = {
        "key": key, "a_a": False, "duplicate": key == "l2=0", "metrics": {AFTER: summary_},
        "against_reference": comparisons,
    }  # fmt: skip
    return PUBLISHED.points[0].model_copy(update=changes)


def study(
    name: str, before: dict[str, Verdict], after: dict[str, Verdict], *, means: dict[str, float] = MEANS
) -> StudyResults:
    """A finished table with these verdicts on NLL; what is not named has no evidence."""
    points = tuple(
        point(
            key,
            mean,
            {}
            if key == "none"
            else {
                BEFORE: compared(before.get(key, "no evidence")),
                AFTER: compared(after.get(key, "no evidence")),
            },
        )
        for key, mean in means.items()
    )
    order = tuple(sorted(means, key=lambda key: means[key]))
    changes = {
        "dataset": PUBLISHED.dataset.model_copy(update={"name": name}),
        "points": points,
        "ranking": {"nll": Ranking(before=order, after=order)},
    }
    return PUBLISHED.model_copy(update=changes)


def with_comparison(results: StudyResults, index: int, metric: MetricName, comparison: Comparison) -> StudyResults:
    """The same table with another comparison of one point."""
    points = [*results.points]
    comparisons = {**points[index].against_reference, metric: comparison}
    points[index] = points[index].model_copy(update={"against_reference": comparisons})
    return results.model_copy(update={"points": tuple(points)})


FIRST = study("first", {"dropout=0.5": "better", "l2=0.1": "better"}, {"dropout=0.5": "better", "l2=0.1": "better"})
SECOND = study(
    "second", {"noise=1": "better"}, {"dropout=0.5": "better", "l2=0.1": "worse"}, means={**MEANS, "l2=0.1": 0.7}
)


def test_what_survives_and_what_contradicts_itself() -> None:
    found = summary([FIRST, SECOND])
    rows = {row.key: row for row in found.points}
    assert {key for key, row in rows.items() if row.survives} == {"dropout=0.5"}
    assert {key for key, row in rows.items() if row.conflict} == {"l2=0.1"}
    assert found.counts == {
        "first": BetterCounts(before=2, after=2, kept=2),
        "second": BetterCounts(before=1, after=1, kept=0),
    }
    assert rows["l2=0.1"].verdicts["second"] == StageFindings(before="no evidence", after="worse")


def test_the_best_of_one_data_set_has_its_place_on_the_other() -> None:
    best = {entry.dataset: entry for entry in summary([FIRST, SECOND]).best}
    assert best["first"].key == "l2=0.1"
    assert best["first"].places == {"first": 1, "second": 4}


def test_the_sentence_names_them() -> None:
    sentence = summary([FIRST, SECOND]).sentence
    assert "On first 2 of 3 points beat no regularization as trained; 2 of them and 0 more do after" in sentence
    assert "On second 1 of 3 points beat no regularization as trained; 0 of them and 1 more do after" in sentence
    assert "Better after it on every data set: dropout 0.5." in sentence
    assert "Better on one data set and worse on another: l2 0.1." in sentence
    assert sentence.endswith("All verdicts are corrected for the number of points (Holm).")


def test_what_does_not_hold_for_so_many_points_is_no_evidence() -> None:
    found = summary([FIRST, with_comparison(SECOND, 1, AFTER, compared("better", p_holm=0.3))])
    assert "Better after it on every data set: none." in found.sentence
    assert found.counts["second"].after == 0


def test_one_data_set_cannot_contradict_itself() -> None:
    found = summary([FIRST])
    assert not any(row.conflict for row in found.points)
    assert "every data set" not in found.sentence
    assert "Better after it: dropout 0.5; l2 0.1." in found.sentence


def test_points_that_a_data_set_lacks_or_cannot_compare_are_left_out() -> None:
    fewer = study("second", {}, {}, means={key: mean for key, mean in MEANS.items() if key != "noise=1"})
    left_out = compared("no evidence", left_out="1 of 3 seeds has no finite value")
    fewer = with_comparison(fewer, 1, BEFORE, left_out)
    found = summary([FIRST, fewer])
    assert [row.key for row in found.points] == ["l2=0.1"]
    assert set(found.ranking["first"]) == {"none", "dropout=0.5", "l2=0.1"}


def test_duplicates_of_the_reference_are_not_counted() -> None:
    twin = study("first", {"l2=0": "better"}, {"l2=0": "better"}, means={**MEANS, "l2=0": 0.5})
    assert "l2=0" not in [row.key for row in summary([twin]).points]


def test_nothing_cannot_be_summarized() -> None:
    with pytest.raises(ValueError, match="finished table or more, got none"):
        summary([])


def test_the_published_summary_is_that_of_the_published_tables() -> None:
    studies = [read_study(REPORTS / name / "results.json") for name in ("mixture", "digits")]
    published = read_record(Summary, REPORTS / "summary.json")
    assert summary(studies) == published
