"""A search as text: its conclusion, its tables, and what a reader should know of its winners, however small it is."""

import math
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from search_tables import alone, changed, without

from pipeline.config.decay_timescale import DecayTimescale, zones
from pipeline.config.search_space import OBJECTIVES, Objective
from pipeline.metrics.names import MetricName
from pipeline.reporting.table import Table, markdown
from pipeline.reporting.text import search as text
from pipeline.reporting.text.numbers import OBJECTIVES as SPOKEN
from pipeline.reporting.text.numbers import short
from pipeline.results.readable_names import readable_arms
from pipeline.results.record import read_record
from pipeline.results.search import ArmResult, SearchResults
from pipeline.results.study import PointResult
from pipeline.search.objectives import OBJECTIVES as JUDGED

ROOT = Path(__file__).parents[2]
DATASETS = ("mixture", "digits")
BOTH = {name: read_record(SearchResults, ROOT / f"reports/{name}/search.json") for name in DATASETS}
BEFORE, AFTER = (MetricName("test", stage, "nll") for stage in ("before", "after"))


@pytest.fixture(params=DATASETS)
def search(request: pytest.FixtureRequest) -> SearchResults:
    return BOTH[request.param]


def with_points(search: SearchResults, change: Any) -> SearchResults:
    """The same search with every point changed."""
    points = tuple(change(point) for point in search.results.points)
    return changed(search, results=changed(search.results, points=points))


def with_objectives(search: SearchResults, means: dict[str, float]) -> SearchResults:
    """The same search with other objectives on the tuning seeds, by name of the contender."""

    def change(point: PointResult) -> PointResult:
        trial = point.tuning.best
        values = (means.get(point.name, trial.mean),) * len(trial.values)
        return changed(point, tuning=changed(point.tuning, trials=(changed(trial, values=values),)))

    return with_points(search, change)


def rows_of(table: Table) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_every_objective_can_be_spoken_of() -> None:
    assert set(SPOKEN) == set(OBJECTIVES) == set(JUDGED) == set(get_args(Objective))


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("better", "better than"), ("worse", "worse than"), ("no evidence", "not shown to be better than")],
)
def test_the_best_arm_is_compared_with_the_best_single_one(search: SearchResults, verdict: str, words: str) -> None:
    order = dict.fromkeys(["cocktail", "augmentation", *search.arms])
    search = with_objectives(search, {name: 0.1 * (place + 1) for place, name in enumerate(order)})
    pairs = tuple(
        changed(pair, metrics={**pair.metrics, AFTER: changed(pair.metrics[AFTER], verdict=verdict)})
        if {pair.a, pair.b} == {"cocktail", "augmentation"}
        else pair
        for pair in search.pairs
    )
    sentences = text.conclusion(changed(search, pairs=pairs))
    answer = search.results.answer
    assert answer.recommendation == "use"
    assert sentences[0].startswith(f"Use {readable_arms(answer.key)} at learning rate ")
    assert len(sentences[0]) >= len(answer.sentence) - 10
    assert f"cocktail, is {words} the best single one, augmentation: " in sentences[1]


def test_the_answer_has_the_numbers_of_the_finished_table(search: SearchResults) -> None:
    (first, *_) = text.conclusion(search)
    numbers = re.compile(r"\d+\.?\d*")
    assert numbers.findall(first) == numbers.findall(search.results.answer.sentence)


def test_a_best_arm_that_is_single_is_said_to_be(search: SearchResults) -> None:
    assert "dropout, is a single one" in text.conclusion(with_objectives(search, {"dropout": 0.0}))[1]


def test_unregularized_is_as_good_where_nothing_is_better(search: SearchResults) -> None:
    assert len(text.conclusion(search)) == 2

    def undecided(point: PointResult) -> PointResult:
        compared = {name: changed(entry, verdict="no evidence") for name, entry in point.against_reference.items()}
        return changed(point, against_reference=compared)

    assert text.conclusion(with_points(search, undecided))[-1].startswith("Unregularized is as good")


def test_a_comparison_is_the_same_from_both_sides() -> None:
    search = BOTH["mixture"]
    there = text.pair(search, "dropout", "none", metric=BEFORE)
    back = text.pair(search, "none", "dropout", metric=BEFORE)
    other = {"better": "worse", "worse": "better", "no evidence": "no evidence"}
    assert back.verdict == other[there.verdict]
    assert None not in (there.difference, there.low, there.high)
    assert (back.difference, back.low, back.high) == (-there.difference, -there.high, -there.low)  # type: ignore[operator]
    with pytest.raises(KeyError, match="dropout and nobody"):
        text.pair(search, "dropout", "nobody", metric=BEFORE)


def test_the_pairs_have_after_below_and_before_above_the_diagonal(search: SearchResults) -> None:
    table = text.pairs_table(search)
    rows = rows_of(table)
    below, above = (text.pair(search, "dropout", "none", metric=metric) for metric in (AFTER, BEFORE))
    assert above.difference is not None
    assert rows["dropout"][0].startswith(f"{short(below.difference, sign=True)} ")
    assert rows["none"][1].startswith(f"{short(-above.difference, sign=True)} ")
    assert all(cells[place] == "" for place, cells in enumerate(rows.values()))


def test_a_reader_is_told_of_edges_and_of_decay_that_does_nothing(search: SearchResults) -> None:
    arms = dict(search.arms)
    slow = DecayTimescale(epochs=71.6, of=60, lost=0.5, warning=None)
    strong = {"learning_rate": 0.001, "weight_decay": 1.0}
    arms["weight_decay"] = changed(arms["weight_decay"], edges=("weight_decay",), decay=slow, strengths=strong)
    idle = DecayTimescale(epochs=25928.7, of=60, lost=0.0, warning="no-op")
    arms["cocktail"] = changed(arms["cocktail"], edges=(), decay=idle)
    arms["dropout"] = changed(arms["dropout"], edges=(), strengths={"learning_rate": 0.001, "dropout": 0.0})
    for arm, low in (("none", -0.1), ("dropout", None), ("weight_decay", 0.1)):
        arms[arm] = changed(arms[arm], optimism=changed(arms[arm].optimism, low=low))
    assert text.notes(arms["weight_decay"]) == [
        "weight decay is near the end of its range: beyond may be better still",
        "weight decay has a timescale of 72 epochs, of 60 in all",
    ]
    assert text.notes(arms["cocktail"]) == ["weight decay has a timescale of 25,929 epochs, of 60 in all: no-op"]
    assert text.notes(arms["dropout"]) == [
        "all off: the unregularized network, at the learning rate that this arm found"
    ]
    table = text.arms_table(changed(search, arms=arms)).only("arm", "optimism", "notes")
    styles = {row[0].text: row[1].style for row in table.rows}
    assert [styles[name] for name in ("none", "dropout", "weight decay")] == ["", "", "bad"]
    assert rows_of(table)["weight decay"][-1] == "; ".join(text.notes(arms["weight_decay"]))


def test_strengths_that_are_off_stand_last() -> None:
    arm: ArmResult = BOTH["digits"].arms["none"]
    strengths = {"learning_rate": 0.003, "mixup": 0.0, "cutout": 0.31, "noise": 0.0}
    assert text.strengths(changed(arm, strengths=strengths)) == "learning rate 0.003, cutout 0.31; off: mixup, noise"


@pytest.mark.parametrize(
    ("normed", "stopping", "words"),
    [
        (True, "nll_calibrated", "learning rate 0.003, batch norm, early stopping by calibrated NLL"),
        (False, "nll", "learning rate 0.003, early stopping by NLL; off: batch norm"),
        (False, "none", "learning rate 0.003; off: batch norm, early stopping"),
    ],
)
def test_switches_and_words_are_strengths_too(normed: bool, stopping: str, words: str) -> None:
    strengths = {"learning_rate": 0.003, "batch_norm": normed, "early_stopping": stopping}
    arm = changed(BOTH["digits"].arms["none"], strengths=strengths)
    assert text.strengths(arm) == words
    assert any(note.startswith("all off") for note in text.notes(arm)) == (stopping == "none")


def test_every_arm_says_what_it_has_cost(search: SearchResults) -> None:
    arms = {name: changed(arm, network_epochs=6750) for name, arm in search.arms.items()}
    table = text.arms_table(changed(search, arms=arms))
    assert {row[0] for row in rows_of(table.only("arm", "cost")).values()} == {"6.8"}
    assert "Cost: networks × epochs" in (table.caption or "")
    assert "Cost: networks × epochs" in " ".join(text.footnotes(search))


def test_the_printed_table_has_every_arm_within_its_width(search: SearchResults) -> None:
    printed = text.render(search)
    assert max(map(len, printed.splitlines())) <= 120
    for point in text.tuned(search):
        (line,) = (
            line
            for line in printed.splitlines()
            if re.match(rf"{re.escape(text.starred(search, point.name))} +learning", line)
        )
        counts = search.arms[point.name].trials
        assert f" {counts.complete}/{counts.pruned}/{counts.failed} " in line
    assert "\x1b[1;32m" in text.render(search, color=True)


@pytest.mark.parametrize("change", [alone, lambda search: without(search, "augmentation", "cocktail")])
def test_small_searches_can_be_read(search: SearchResults, change: Any) -> None:
    small = change(search)
    assert text.render(small)
    assert text.readme_tables([small]).count("\n| ") >= 2
    assert markdown(text.contenders_table(small))


def test_shares_of_a_shade_are_those_of_the_range() -> None:
    low, high = zones(60)
    assert math.isclose(math.exp(-1 / low), 0.5)
    assert math.isclose(math.exp(-60 / high), 0.95)
