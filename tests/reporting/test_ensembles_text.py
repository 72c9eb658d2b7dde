"""Averages of winners as text: the table, and the sentences that say whether to regularize or to average."""

from pathlib import Path
from typing import Any

import pytest
from search_tables import alone, averaged, changed, with_comparison, without

from pipeline.metrics.names import MetricName
from pipeline.reporting.table import Table
from pipeline.reporting.text import ensembles as text
from pipeline.reporting.text.numbers import short, short_interval
from pipeline.reporting.text.search import starred, tuned
from pipeline.results.readable_names import readable_arms
from pipeline.results.record import read_record
from pipeline.results.search import SearchResults

ROOT = Path(__file__).parents[2]
AFTER = MetricName("test", "after", "nll")


@pytest.fixture(params=["mixture", "digits"])
def search(request: pytest.FixtureRequest) -> SearchResults:
    return averaged(read_record(SearchResults, ROOT / f"reports/{request.param}/search.json"))


def table_of(search: SearchResults) -> Table:
    made = text.table(search)
    assert made is not None
    return made


def best_other(search: SearchResults) -> str:
    """The arm with a regularizer that has the best value on the tuning seeds."""
    return min((p for p in tuned(search) if p.name != "none"), key=lambda p: p.tuning.best.mean).name


def test_every_arm_is_a_row_with_its_numbers(search: SearchResults) -> None:
    rows = {row[0].text: [cell.text for cell in row] for row in table_of(search).rows}
    assert search.ensembles is not None
    for entry in search.ensembles.arms:
        row = rows[starred(search, entry.arm)]
        assert row[1:3] == [short(entry.single[AFTER].mean), short(entry.ensemble[AFTER].mean)]
        compared = entry.single_against_ensemble[AFTER]
        assert row[3] == short_interval(compared.difference, compared, sign=True)
        assert row[4].removesuffix("†") == compared.finding
    assert rows["none"][-2:] == ["", ""]


def test_how_many_networks_and_splits_is_said_in_words(search: SearchResults) -> None:
    printed = text.render(search)
    assert printed.startswith("Averages of five networks")
    assert "one − five of none" in printed
    flat = " ".join(printed.split())
    assert "Six splits; members of an ensemble share a split" in flat
    assert "Averages over resplits would be bagging." in flat
    many = averaged(changed(search, ensembles=None), members=12, splits=20)
    assert "Averages of 12 networks" in text.render(many)
    assert text.sentences(many)[0].startswith("12 networks of none, averaged, gain ")


def test_the_printed_table_fits_its_width(search: SearchResults) -> None:
    assert max(map(len, text.render(search).splitlines())) <= 120
    assert "\x1b[1;3" in text.render(search, color=True)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("better", "beats that average"),
        ("worse", "does worse than that average"),
        ("no evidence", "is not shown to beat that average"),
    ],
)
def test_the_sentences_are_computed_from_the_table(search: SearchResults, verdict: str, words: str) -> None:
    best = best_other(search)
    ends: dict[str, Any] = {"difference": -0.03125, "low": -0.0625, "high": 0.015625}
    changes = [
        ("none", "averaging", ends),
        (best, "single_against_none", {**ends, "difference": -0.5}),
        (best, "single_against_ensemble", {**ends, "verdict": verdict}),
        (best, "ensemble_against_none", {**ends, "difference": -0.25}),
    ]
    for arm, field, values in changes:
        search = with_comparison(search, arm, field, AFTER, **values)
    first, second = text.sentences(search)
    assert first == (
        "Five networks of none, averaged, gain 0.0312 [−0.0156, 0.0625] of test NLL over one, after calibration, "
        "on six splits."
    )
    assert second == (
        f"One network of {readable_arms(best)}, the best other arm on the search’s seeds, gains 0.5000 "
        f"[−0.0156, 0.0625] and {words}: it differs by −0.0312 [−0.0625, +0.0156]. Five of {readable_arms(best)} gain "
        "0.2500 [−0.0156, 0.0625] over one of none."
    )


def test_what_diverged_is_left_out(search: SearchResults) -> None:
    nothing: dict[str, Any] = dict.fromkeys(("difference", "low", "high"))
    broken = with_comparison(search, "dropout", "ensemble_against_none", AFTER, **nothing, left_out="2 of 6 seeds")
    broken = with_comparison(broken, "dropout", "single_against_ensemble", AFTER, **nothing, left_out="2 of 6 seeds")
    rows = {row[0].text: [cell.text for cell in row] for row in table_of(broken).rows}
    assert rows["dropout"][3:6] == ["", "left out", ""]
    assert text.sentences(with_comparison(search, "none", "averaging", AFTER, **nothing))[0].startswith(
        "Five networks of none, averaged, gain - of test NLL"
    )


def test_without_averages_there_is_nothing(search: SearchResults) -> None:
    off = changed(search, ensembles=None)
    assert text.table(off) is None
    assert text.sentences(off) == []
    assert text.render(off) == ""


@pytest.mark.parametrize(("reduce", "said"), [(alone, 1), (lambda search: without(search, "cocktail"), 2)])
def test_small_searches_can_be_read(search: SearchResults, reduce: Any, said: int) -> None:
    small = reduce(search)
    assert len(text.sentences(small)) == said
    assert text.render(small)
