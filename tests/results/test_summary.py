"""Does the summary across data sets say what the verdicts say?"""

import copy
from typing import Any

import pytest

from pipeline.results.summary import summary

MEANS = {"none": 0.5, "dropout=0.5": 0.4, "l2=0.1": 0.3, "noise=1": 0.6}


def compared(verdict: str, *, p_holm: float = 0.01) -> dict[str, Any]:
    return {"verdict": verdict, "equivalent": False, "left_out": None, "p_holm": p_holm}


def study(
    name: str, before: dict[str, str], after: dict[str, str], *, means: dict[str, float] = MEANS
) -> dict[str, Any]:
    """A finished table with these verdicts on NLL; what is not named has no evidence."""
    rows = [
        {
            "key": key,
            "a_a": False,
            "duplicate": key == "l2=0",
            "metrics": {"test_ts/nll": {"mean": mean}},
            "against_reference": {}
            if key == "none"
            else {
                "test/nll": compared(before.get(key, "no evidence")),
                "test_ts/nll": compared(after.get(key, "no evidence")),
            },
        }
        for key, mean in means.items()
    ]
    order = sorted(means, key=lambda key: means[key])
    return {"dataset": {"name": name}, "points": rows, "ranking": {"nll": {"before": order, "after": order}}}


FIRST = study("first", {"dropout=0.5": "better", "l2=0.1": "better"}, {"dropout=0.5": "better", "l2=0.1": "better"})
SECOND = study(
    "second", {"noise=1": "better"}, {"dropout=0.5": "better", "l2=0.1": "worse"}, means={**MEANS, "l2=0.1": 0.7}
)


def test_what_survives_and_what_contradicts_itself() -> None:
    found = summary([FIRST, SECOND])
    rows = {row["key"]: row for row in found["points"]}
    assert {key for key, row in rows.items() if row["survives"]} == {"dropout=0.5"}
    assert {key for key, row in rows.items() if row["conflict"]} == {"l2=0.1"}
    assert found["counts"] == {
        "first": {"before": 2, "after": 2, "kept": 2},
        "second": {"before": 1, "after": 1, "kept": 0},
    }
    assert rows["l2=0.1"]["verdicts"]["second"] == {"before": "no evidence", "after": "worse"}


def test_the_best_of_one_data_set_has_its_place_on_the_other() -> None:
    best = {entry["dataset"]: entry for entry in summary([FIRST, SECOND])["best"]}
    assert best["first"]["key"] == "l2=0.1"
    assert best["first"]["places"] == {"first": 1, "second": 4}


def test_the_sentence_names_them() -> None:
    sentence = summary([FIRST, SECOND])["sentence"]
    assert "On first 2 of 3 points beat no regularization as trained; 2 of them and 0 more do after" in sentence
    assert "On second 1 of 3 points beat no regularization as trained; 0 of them and 1 more do after" in sentence
    assert "Better after it on every data set: dropout 0.5." in sentence
    assert sentence.endswith("Better on one data set and worse on another: l2 0.1.")


def test_what_does_not_hold_for_so_many_points_is_marked() -> None:
    doubtful = copy.deepcopy(SECOND)
    doubtful["points"][1]["against_reference"]["test_ts/nll"]["p_holm"] = 0.3
    doubtful["points"][3]["against_reference"]["test_ts/nll"]["p_holm"] = 0.3  # no evidence anyway
    found = summary([FIRST, doubtful])
    assert [row["key"] for row in found["points"] if row["doubtful"]] == ["dropout=0.5"]
    assert "Better after it on every data set: dropout 0.5†." in found["sentence"]
    assert "Holm" in found["sentence"]


def test_one_data_set_cannot_contradict_itself() -> None:
    found = summary([FIRST])
    assert not any(row["conflict"] for row in found["points"])
    assert "every data set" not in found["sentence"]
    assert "Better after it: dropout 0.5; l2 0.1." in found["sentence"]


def test_points_that_a_data_set_lacks_or_cannot_compare_are_left_out() -> None:
    fewer = study("second", {}, {}, means={key: mean for key, mean in MEANS.items() if key != "noise=1"})
    fewer["points"][1]["against_reference"]["test/nll"]["left_out"] = "1 of 3 seeds has no finite value"
    found = summary([FIRST, fewer])
    assert [row["key"] for row in found["points"]] == ["l2=0.1"]
    assert set(found["ranking"]["first"]) == {"none", "dropout=0.5", "l2=0.1"}


def test_duplicates_of_the_reference_are_not_counted() -> None:
    twin = study("first", {"l2=0": "better"}, {"l2=0": "better"}, means={**MEANS, "l2=0": 0.5})
    assert "l2=0" not in [row["key"] for row in summary([twin])["points"]]


def test_nothing_cannot_be_summarized() -> None:
    with pytest.raises(ValueError, match="finished table or more, got none"):
        summary([])
