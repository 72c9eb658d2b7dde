"""Calibrators as text: how many of the study's verdicts survive each, and what is found of every point after each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill

from pipeline.reporting.table import WIDTH, Cell, Column, Table, terminal
from pipeline.reporting.text.numbers import short
from pipeline.reporting.text.points import verdict_cell
from pipeline.results.calibrators import CalibratorResult, CalibratorResults
from pipeline.results.readable_names import DAGGER, readable
from pipeline.results.study import StudyResults

CHANGED = "≠"
_DIFFERENCE, _VERDICT = "difference", "verdict"


def title(dataset: str) -> str:
    """What the table is called."""
    return f"Do verdicts survive other calibrators? {dataset}"


def sentences(made: CalibratorResults) -> list[str]:
    """How many verdicts survive each calibrator, which turn round, and what none loses after each.

    Nothing where no points are compared.
    """
    if not made.counted:
        return []
    usual, others, decided = made.usual, made.others, set(made.decided)
    survivors = [(other.name, len(made.counted) - len(made.changed(other))) for other in others]
    said = [f"Of {len(made.counted)} verdicts after {usual.name}, {_listed(survivors)}."]
    if decided:
        of_decided = [(other.name, len(decided - set(made.changed(other)))) for other in others]
        said.append(f"Of the {len(decided)} that are “better” or “worse”, {_listed(of_decided)}; {_turned(made)}.")
    losses = ", ".join(f"{each.name} {short(_loss(each))}" for each in (usual, *others))
    return [*said, f"Mean test NLL of no regularization after each: {losses}."]


def _listed(counts: Sequence[tuple[str, int]]) -> str:
    (first, count), *rest = counts
    return ", ".join([f"{count} survive {first}", *(f"{number} {name}" for name, number in rest)])


def _turned(made: CalibratorResults) -> str:
    turned = [f"{readable(key)} ({other.name})" for other in made.others for key in made.reversed_by(other)]
    return f"from one to the other turn {', '.join(turned)}" if turned else "none turns from one to the other"


def _loss(of: CalibratorResult) -> float | None:
    """The mean test NLL of the unregularized point."""
    (reference,) = set(of.nll) - set(of.against_reference)
    return of.nll[reference]


def page_table(results: StudyResults, made: CalibratorResults) -> Table:
    """Every point's difference from none and verdict, after each calibrator, in the study's order."""
    keys = [point.key for point in results.points if point.key in made.usual.against_reference]
    return _table(results.dataset.name, made, keys)


def _terminal_table(dataset: str, made: CalibratorResults) -> Table:
    """Verdicts alone, of the points on which calibrators disagree."""
    changed = {key for other in made.others for key in made.changed(other)}
    table = _table(dataset, made, [key for key in made.counted if key in changed])
    return table.only("name", *(column.key for column in table.columns if column.key.endswith(_VERDICT)))


def _table(dataset: str, made: CalibratorResults, keys: Sequence[str]) -> Table:
    each = (made.usual, *made.others)
    columns = [Column("name", "point", kind="text", least=22)]
    for result in each:
        columns += [
            Column(f"{result.name}/{_DIFFERENCE}", "NLL − none", result.name),
            Column(f"{result.name}/{_VERDICT}", "verdict", result.name, result.name),
        ]
    rows = [[Cell(readable(key)), *(cell for result in each for cell in _cells(made, result, key))] for key in keys]
    caption = (
        f"Means over {made.seeds} paired seeds on test after each calibrator; {CHANGED} marks what {made.usual.name} "
        "does not find"
    )
    return Table(title(dataset), tuple(columns), tuple(map(tuple, rows)), caption, tuple(_notes(made)))


def _cells(made: CalibratorResults, result: CalibratorResult, key: str) -> tuple[Cell, Cell]:
    entry = result.against_reference[key]
    if entry.left_out:
        return Cell(""), Cell("left out", "soft")
    verdict = verdict_cell(entry.finding, fails_holm=entry.fails_holm)
    differs = entry.finding != made.usual.findings[key]
    return Cell(short(entry.difference, sign=True)), verdict._replace(text=verdict.text + f" {CHANGED}" * differs)


def _notes(made: CalibratorResults) -> Iterator[str]:
    yield (
        f"Each calibrator is fitted on the validation rows of every seed; {CHANGED} marks what {made.usual.name} does "
        f"not find, {DAGGER} verdicts that do not hold once all points are taken into account (Holm’s step-down)."
    )


def render(
    dataset: str, made: CalibratorResults | None, *, width: int = WIDTH, color: bool = False, notes: bool = True
) -> str:
    """The points on which calibrators disagree, and the sentences, for a terminal; nothing where none are compared."""
    if made is None or not made.counted:
        return ""
    said = "\n".join(fill(text, width, break_on_hyphens=False) for text in sentences(made))
    table = _terminal_table(dataset, made)
    optional = [column.key for column in reversed(table.columns[2:])]
    shown = terminal(table, width=width, color=color, notes=notes, optional=optional) if table.rows else ""
    return f"{title(dataset)}\n{shown}{said}\n"
