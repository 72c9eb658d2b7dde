"""Averages of a search's winners as text: a table of single networks and averages, and what it says in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill
from typing import NamedTuple

from pipeline.reporting.table import WIDTH, Cell, Column, Table, terminal
from pipeline.reporting.text.numbers import interval, short, short_interval, spelled
from pipeline.reporting.text.points import STAGE_NAMES, test_nll, verdict_cell
from pipeline.reporting.text.search import starred, tuned
from pipeline.results.readable_names import DAGGER, readable_arms
from pipeline.results.search import EnsembleResult, EnsembleResults, SearchResults
from pipeline.results.study import Comparison, Verdict

AFTER = test_nll("after")
_OPTIONAL = ("from_one", "single_verdict", "single_difference", "single")
"""Of these columns the first is the first to go where a terminal is narrow."""
_BEATS: dict[Verdict, str] = {
    "better": "beats that average",
    "worse": "does worse than that average",
    "no evidence": "is not shown to beat that average",
}


class Ends(NamedTuple):
    """The ends of an interval."""

    low: float | None
    high: float | None


def table(search: SearchResults) -> Table | None:
    """A row an arm: one network, the average of several, and both against none; None where nothing is averaged."""
    made = search.ensembles
    if made is None:
        return None
    many = spelled(made.members)
    groups = (f"one network, minus {many} of none", f"{many}, minus one of none", f"{many}, minus {many} of none")
    columns = (
        Column("arm", "arm", kind="text", least=15),
        Column("single", "one network", alone="one"),
        Column("ensemble", f"mean of {many}", alone=many),
        Column("single_difference", "difference", groups[0], f"one − {many} of none"),
        Column("single_verdict", "verdict", groups[0]),
        Column("from_one", "difference", groups[1], f"{many} − one of none"),
        Column("from_many", "difference", groups[2], f"{many} − {many} of none"),
        Column("verdict", "verdict", groups[2]),
    )
    rows = tuple(tuple(_row(search, entry)) for entry in made.arms)
    caption = (
        f"Test NLL {STAGE_NAMES['after']} on {spelled(made.splits)} splits, the first of the study’s; "
        f"[ ] {search.results.protocol.confidence:.0%} intervals over splits"
    )
    return Table(f"{title(made)}, {search.results.dataset.name}", columns, rows, caption, tuple(_notes(made)))


def title(made: EnsembleResults) -> str:
    """What the table is called."""
    return f"Averages of {spelled(made.members)} networks"


def _row(search: SearchResults, entry: EnsembleResult) -> Iterator[Cell]:
    yield Cell(starred(search, entry.arm))
    yield from (Cell(short(metrics[AFTER].mean)) for metrics in (entry.single, entry.ensemble))
    yield from _compared(entry.single_against_ensemble.get(AFTER))
    yield _compared(entry.ensemble_against_none.get(AFTER))[0]
    yield from _compared(entry.ensemble_against_ensemble.get(AFTER))


def _compared(entry: Comparison | None) -> tuple[Cell, Cell]:
    """A difference with its interval, and its finding; empty where nothing is compared with itself."""
    if entry is None:
        return Cell(""), Cell("")
    if entry.left_out:
        return Cell(""), Cell("left out", "soft")
    return Cell(short_interval(entry.difference, entry, sign=True)), verdict_cell(
        entry.finding, fails_holm=entry.fails_holm
    )


def _notes(made: EnsembleResults) -> Iterator[str]:
    many, splits = spelled(made.members), spelled(made.splits)
    yield (
        f"{splits.capitalize()} splits; members of an ensemble share a split and differ in first weights, orders and "
        "masks; probabilities are averaged, then calibrated. Averages over resplits would be bagging."
    )
    yield (
        f"An average costs {many} times the training and the prediction of one network. {DAGGER} marks verdicts that "
        "do not hold once all arms are taken into account (Holm’s step-down)."
    )


def sentences(search: SearchResults) -> list[str]:
    """Whether to regularize or to average: what the average of none gains, and one network of the best other arm.

    The arm is the best on the search's seeds, so that test rows have not chosen it. Nothing where nothing is averaged.
    """
    if search.ensembles is None:
        return []
    made = {entry.arm: entry for entry in search.ensembles.arms}
    none, many = made[search.results.reference.key], spelled(search.ensembles.members)
    texts = [
        f"{many.capitalize()} networks of none, averaged, gain {_gain(none.averaging[AFTER])} of test NLL over one, "
        f"{STAGE_NAMES['after']}, on {spelled(search.ensembles.splits)} splits."
    ]
    others = [point for point in tuned(search) if point.name in made and point.name != none.arm]
    if others:
        best = min(others, key=lambda point: point.tuning.best.mean)
        texts.append(_rival(made[best.name], many))
    return texts


def _rival(entry: EnsembleResult, many: str) -> str:
    against = entry.single_against_ensemble[AFTER]
    return (
        f"One network of {readable_arms(entry.arm)}, the best other arm on the search’s seeds, gains "
        f"{_gain(entry.single_against_none[AFTER])} and {_BEATS[against.verdict]}: it differs by "
        f"{interval(against.difference, against, digits=4, sign=True)}. {many.capitalize()} of "
        f"{readable_arms(entry.arm)} gain {_gain(entry.ensemble_against_none[AFTER])} over one of none."
    )


def _gain(entry: Comparison) -> str:
    """A difference the other way round, for less is better."""
    gain, low, high = (None if value is None else 0.0 - value for value in (entry.difference, entry.high, entry.low))
    return interval(gain, Ends(low, high), digits=4)


def render(search: SearchResults, *, width: int = WIDTH, color: bool = False, notes: bool = True) -> str:
    """The table, its notes and the sentences for a terminal; nothing where nothing is averaged."""
    made = table(search)
    if made is None:
        return ""
    said = "\n".join(fill(text, width) for text in sentences(search))
    shown = terminal(made, width=width, color=color, notes=notes, optional=_OPTIONAL)
    return f"{fill(f'{made.title}. {made.caption}', width)}\n{shown}{said}\n"
