"""The leaderboard: every point of every data set in one table, by test NLL after calibration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pipeline.metrics.names import MetricName
from pipeline.reporting.table import Cell, Column, Table, markdown
from pipeline.reporting.text.points import CLASS_FREQUENCIES, points_table
from pipeline.results.baselines import BaselineResults
from pipeline.results.readable_names import DAGGER, readable, readable_arms, starred
from pipeline.results.search import SearchResults
from pipeline.results.study import Measured, StudyResults

AFTER = MetricName("test", "after", "nll")
_KEYS = (
    *("nll_calibrated", "difference_calibrated", "verdict_calibrated", "ece_calibrated"),
    *("accuracy", "nll", "gap", "ece", "verdict"),
)
_README = ("nll_calibrated", "difference_calibrated", "verdict_calibrated", "gap", "ece", "ece_calibrated")


class Entrant(NamedTuple):
    """What competes on a data set: what it is called and of which kind it is."""

    name: str
    kind: str
    of: Measured


def leaderboard(studies: list[tuple[StudyResults, SearchResults, BaselineResults]]) -> Table:
    """A row an entrant, data set after data set, the best first; what is recommended has a star behind its name."""
    tables = [_of_dataset(*study) for study in studies]
    name, *others = tables[0].columns
    columns = (name, Column("dataset", "data set", kind="label"), Column("kind", "kind", kind="label"), *others)
    rows = tuple(row for table in tables for row in table.rows)
    caption = (
        "Means over seeds on test; cal.: after calibration; NLL − none: paired difference from no regularization, "
        f"tuned alike, with its 95% interval; ECE beside its floor; {DAGGER} does not hold for all together (Holm)"
    )
    return Table("All points", columns, rows, caption)


def readme_table(searches: list[SearchResults]) -> str:
    """Three rows a data set, as Markdown: what is recommended, the runner-up on validation rows, no regularization."""
    if not searches:
        return ""
    tables = [_three_rows(search) for search in searches]
    rows = tuple(row for table in tables for row in table.rows)
    return markdown(Table("", tables[0].columns, rows))


def _three_rows(search: SearchResults) -> Table:
    results, star = search.results, search.results.recommended
    tuned = sorted((each for each in results.points if each.kind == "tuned"), key=lambda each: each.tuning.best.mean)
    others = [each for each in tuned if each.key not in (star, results.reference.key)]
    points = [results.point(star), *others[: 2 if star == results.reference.key else 1]]
    points += [results.reference_point] * (star != results.reference.key)
    made = points_table(
        "", points, results.base_rates, head="point",
        name=lambda point: starred(readable_arms(point.name), point.key == star),
    ).only("name", *_README)  # fmt: skip
    dataset = Column("dataset", "data set", kind="label")
    rows = tuple((Cell(results.dataset.name), *row) for row in made.rows[:-1])
    return Table("", (dataset, *made.columns), rows)


def _of_dataset(results: StudyResults, search: SearchResults, made: BaselineResults) -> Table:
    entrants = sorted(_entrants(results, search, made), key=_loss)
    points = points_table(
        "", [entrant.of for entrant in entrants], results.base_rates, name=lambda _: "", head="point"
    ).only("name", *_KEYS)
    names = [*((entrant.name, entrant.kind) for entrant in entrants), (CLASS_FREQUENCIES, "no model")]
    rows = tuple(
        (Cell(name), Cell(results.dataset.name), Cell(kind), *row[1:])
        for (name, kind), row in zip(names, points.rows, strict=True)
    )
    return Table("", points.columns, rows)


def _entrants(results: StudyResults, search: SearchResults, made: BaselineResults) -> Iterator[Entrant]:
    """Winners of the search, strengths set beforehand without copies of no regularization, and classifiers."""
    star = search.results.recommended
    for point in search.results.points:
        yield Entrant(starred(readable_arms(point.name), point.key == star), point.kind or "tuned", point)
    for setting in results.contenders:
        if not setting.duplicate:
            yield Entrant(readable(setting.key), "set", setting)
    for each in made.baselines:
        yield Entrant(readable(each.name), "classifier", each)


def _loss(entrant: Entrant) -> float:
    mean = entrant.of.mean(AFTER)
    return float("inf") if mean is None else mean
