"""Baselines as text: the table beside none and the answer, and the sentence on whether one does better."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.metrics.names import MetricName
from pipeline.reporting.text import baselines as text
from pipeline.reporting.text.numbers import short, short_interval
from pipeline.results.baselines import BaselineResults
from pipeline.results.readable_names import readable
from pipeline.results.record import read_record
from pipeline.results.study_files import read_study

ROOT = Path(__file__).parents[2]
AFTER = MetricName("test", "after", "nll")
STUDIES = {name: read_study(ROOT / f"reports/{name}/results.json") for name in ("mixture", "digits")}


@pytest.fixture(params=list(STUDIES))
def made(request: pytest.FixtureRequest) -> BaselineResults:
    return read_record(BaselineResults, ROOT / f"reports/{request.param}/baselines.json")


def against_answer(made: BaselineResults, **differences: tuple[float, float, float, str]) -> BaselineResults:
    """The same baselines with other differences from the answer: centre, ends and verdict, by name; all else worse."""

    def of(name: str) -> dict[str, Any]:
        centre, low, high, verdict = differences.get(name, (0.5, 0.25, 0.75, "worse"))
        return {"difference": centre, "low": low, "high": high, "verdict": verdict, "p_holm": 0.001, "left_out": None}

    rows = [
        each.model_copy(
            update={
                "against_answer": {AFTER: each.against_answer[AFTER].model_copy(update=of(each.name))},
            }
        )
        for each in made.baselines
    ]
    return made.model_copy(update={"baselines": tuple(rows)})


def without_answer(made: BaselineResults) -> BaselineResults:
    rows = tuple(each.model_copy(update={"against_answer": {}}) for each in made.baselines)
    return made.model_copy(update={"answer": None, "baselines": rows})


def test_every_baseline_is_a_row_with_its_numbers(made: BaselineResults) -> None:
    table = text.page_table(STUDIES["mixture"], made)
    columns = [column.key for column in table.columns]
    rows = {row[0].text: dict(zip(columns, (cell.text for cell in row), strict=True)) for row in table.rows}
    assert list(rows)[:2] == ["none", "answer: cocktail"]
    assert list(rows)[-1] == "class frequencies"
    for each in made.baselines:
        row, none, answer = rows[readable(each.name)], each.against_reference[AFTER], each.against_answer[AFTER]
        assert row["nll_calibrated"] == short(each.metrics[AFTER].mean)
        assert row["difference_calibrated"] == short_interval(none.difference, none, sign=True)
        assert row["from_answer_calibrated"] == short_interval(answer.difference, answer, sign=True)
        assert row["answer_verdict_calibrated"].removesuffix("†") == answer.finding
    assert made.answer is not None
    of_the_answer = made.answer.against_reference[AFTER]
    assert rows["answer: cocktail"]["difference_calibrated"].startswith(short(of_the_answer.difference, sign=True))


def test_the_printed_table_fits_its_width(made: BaselineResults) -> None:
    for shown in (made, without_answer(made)):
        printed = text.render(STUDIES["mixture"], shown)
        assert max(map(len, printed.splitlines())) <= 120
        assert "Holm" in printed
    assert "\x1b[1;3" in text.render(STUDIES["mixture"], made, color=True)


def test_what_is_better_is_named_best_first(made: BaselineResults) -> None:
    better = against_answer(made, mlp=(-0.25, -0.5, -0.125, "better"), boosted_trees=(-0.5, -0.75, -0.25, "better"))
    assert text.sentences(better) == [
        "Better than the answer, cocktail, here: boosted trees, −0.5000 [−0.7500, −0.2500]; mlp, −0.2500 [−0.5000, "
        "−0.1250] (test NLL after calibration, less is better)."
    ]


def test_what_is_not_shown_to_be_better_has_a_bound(made: BaselineResults) -> None:
    unclear = {"mlp": (-0.125, -0.25, 0.5, "no evidence"), "random_forest": (0.0, -0.375, 0.5, "no evidence")}
    close = against_answer(made, **unclear)
    assert text.sentences(close) == [
        "No classifier of scikit-learn is shown to do better than the answer, cocktail, here, and none by more than "
        "0.3750: the closest, mlp, differs by −0.1250 [−0.2500, +0.5000] (test NLL after calibration, less is better)."
    ]
    assert text.sentences(against_answer(made, mlp=(0.25, 0.125, 0.5, "worse"))) == [
        "Every classifier of scikit-learn does worse than the answer, cocktail, here: the closest, mlp, differs by "
        "+0.2500 [+0.1250, +0.5000] (test NLL after calibration, less is better)."
    ]


def test_a_verdict_that_fails_holm_is_not_better(made: BaselineResults) -> None:
    luck = against_answer(made, mlp=(-0.25, -0.5, -0.125, "better"))
    rows = [
        each.model_copy(
            update={"against_answer": {AFTER: each.against_answer[AFTER].model_copy(update={"p_holm": 0.06})}}
        )
        for each in luck.baselines
    ]
    (said,) = text.sentences(luck.model_copy(update={"baselines": tuple(rows)}))
    assert said.startswith("No classifier of scikit-learn is shown to do better")


def test_without_an_answer_they_are_compared_with_none(made: BaselineResults) -> None:
    alone = without_answer(made)
    (said,) = text.sentences(alone)
    assert "no regularization, here" in said
    assert "NLL − answer" not in text.render(STUDIES["mixture"], alone)
    assert not [column for column in text.page_table(STUDIES["mixture"], alone).columns if "answer" in column.key]


def test_what_cannot_be_compared_is_said(made: BaselineResults) -> None:
    rows = [
        each.model_copy(
            update={
                "against_answer": {
                    AFTER: each.against_answer[AFTER].model_copy(
                        update={**dict.fromkeys(("difference", "low", "high")), "left_out": "1 of 30 seeds"}
                    )
                }
            }
        )
        for each in made.baselines
    ]
    broken = made.model_copy(update={"baselines": tuple(rows)})
    assert text.sentences(broken) == ["No classifier of scikit-learn can be compared with the answer, cocktail."]
    assert "left out" in text.render(STUDIES["mixture"], broken)


def test_without_baselines_there_is_nothing(made: BaselineResults) -> None:
    nothing = made.model_copy(update={"baselines": ()})
    assert text.sentences(nothing) == []
    assert text.render(STUDIES["mixture"], nothing) == text.render(STUDIES["mixture"], None) == ""
