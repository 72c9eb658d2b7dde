"""The textbook's claims as text: the table of sentences and verdicts, and what was found of each sentence."""

from __future__ import annotations

from textwrap import fill
from typing import NamedTuple

from pipeline.reporting import table as tables
from pipeline.reporting.table import WIDTH, Cell, Column, Style, Table, terminal
from pipeline.reporting.text.numbers import fixed, interval
from pipeline.reporting.text.textbook_names import describe, levels, setting, target
from pipeline.reporting.text.textbook_places import asides, lead, sentence_case, share
from pipeline.results.readable_names import readable
from pipeline.results.study import MetricSummary
from pipeline.results.textbook import (
    VERDICTS,
    CellVerdict,
    ClaimResult,
    EffectCell,
    EffectResult,
    SentenceVerdict,
    TextbookResults,
)

SIGNS: dict[SentenceVerdict, str] = {"everywhere": "✓", "depends": "±", "nowhere": "✗", "open": "?"}
CELL_SIGNS: dict[CellVerdict, str] = {"supported": "✓", "refuted": "✗", "inconclusive": "?"}
CELL_LABELS: dict[CellVerdict, str] = {"supported": "supported", "refuted": "refuted", "inconclusive": "open"}
_STYLES: dict[str, Style] = {"everywhere": "good", "nowhere": "bad", "supported": "good", "refuted": "bad"}
_AIMS = {"same": "target", "higher": "against", "lower": "against"}


class Part(NamedTuple):
    """One comparison that a sentence stands on: an effect on one data set, at one level of what it is measured at."""

    effect: EffectResult
    cell: EffectCell


def parts(claim: ClaimResult) -> list[Part]:
    """All comparisons of a claim."""
    return [Part(effect, cell) for effect in claim.effects for cell in effect.cells]


def difference(part: Part) -> str:
    """The difference with its interval, in as many digits as the smallest effect of interest asks for.

    Where a cell is compared with a number, the value itself and that number.
    """
    mean, low, high = part.cell.mean, part.cell.low, part.cell.high
    if mean is None or low is None or high is None:
        return "not finite"
    aim, least = target(part.cell), part.effect.least
    if aim is None:
        return interval(mean, part.cell, digits=_digits(mean, least), sign=True)
    value = MetricSummary(mean=mean + aim, low=low + aim, high=high + aim)
    digits = _digits(mean + aim, least)
    text = fixed(value.mean, digits=digits) if low == high else interval(value.mean, value, digits=digits)
    return f"{text}, {_AIMS[part.effect.direction]} {aim:.3g}"


def _digits(value: float, least: float) -> int:
    return 1 if abs(value) >= 10 or least >= 1 else 2 if least >= 0.1 else 3 if least >= 0.002 else 4


def quantity(part: Part) -> str:
    """What a comparison's number is: a metric, and which cell minus which."""
    effect, of, against = part.effect, setting(part.cell.of), setting(part.cell.against)
    metric, other = describe(effect.metric), describe(effect.against_metric)
    if target(part.cell) is not None:
        return metric
    if metric != other:
        return f"{metric} minus {other}"
    return f"{metric}, {of} minus {against}" if of != against else metric


def stated(part: Part) -> str:
    """What a comparison is to show, its number, on which data set and at which level, and what the number is."""
    return f"{says(part.effect)}: {difference(part)} on {_where(part.cell)} ({quantity(part)})"


def says(effect: EffectResult) -> str:
    """What an effect says: after its setting where it stands aside, and that the sentence denies it where it does."""
    text = f"the sentence denies that {effect.says}" if effect.denied else effect.says
    return f"{effect.aside}: {text}" if effect.aside else text


def _where(cell: EffectCell) -> str:
    at = levels(cell.at)
    return ", ".join([readable(cell.dataset), *([at] if at else [])])


def decisive(claim: ClaimResult) -> Part | None:
    """The comparison that decides: the weakest support of what holds everywhere, of what holds nowhere the closest.

    Where it depends, the strongest exception; of a sentence that says "can", the strongest support. Where it is open,
    the open comparison that is farthest from support. None where exact checks alone decide.
    """
    counted = [part for part in parts(claim) if not part.effect.aside]
    wanted: dict[SentenceVerdict, CellVerdict] = {"everywhere": "supported", "nowhere": "refuted", "depends": "refuted"}
    if claim.quantifier == "any" and claim.verdict == "depends":
        wanted = {"depends": "supported"}
    chosen = [part for part in counted if part.cell.verdict == wanted.get(claim.verdict, "inconclusive")] or counted
    known = [part for part in chosen if part.cell.mean is not None] or chosen
    closest = claim.verdict == "nowhere" or claim.quantifier == "any"
    return (max if closest else min)(known, key=_strength, default=None)


def _strength(part: Part) -> float:
    """How far the difference goes the way that it is said to go, in smallest effects of interest."""
    size = (part.cell.mean or 0.0) / max(part.effect.least, 1e-12)
    along = {"higher": size, "lower": -size, "same": 1 - abs(size)}[part.effect.direction]
    return -along if part.effect.denied else along


def finding(claim: ClaimResult) -> str:
    """What was found of a sentence: where it holds and fails, on what that depends, what decides, what stands aside."""
    part, beside = decisive(claim), asides(claim)
    sentences = [f"{sentence_case(lead(claim))}."] if claim.places else []
    sentences += [f"{share(claim.prevalence)}."] if claim.prevalence and claim.prevalence.places > 1 else []
    sentences += [f"What decides: {stated(part)}."] if part is not None else []
    sentences += [f"{sentence_case(text)}." for text in beside]
    sentences += [f"{_checked(claim)}."] if claim.checks else []
    return " ".join(sentences)


def checked(claim: ClaimResult) -> str:
    """How many exact checks of a claim hold."""
    return f"{sum(check.holds for check in claim.checks)} of {len(claim.checks)} exact checks hold"


def _checked(claim: ClaimResult) -> str:
    failed = [f"“{check.what}”" for check in claim.checks if not check.holds]
    return f"{checked(claim)}, not {', '.join(failed)}" if failed else checked(claim)


def compared(claim: ClaimResult) -> dict[CellVerdict, int]:
    """How many comparisons, exact checks and those that stand aside apart, have each verdict."""
    verdicts = [part.cell.verdict for part in parts(claim) if not part.effect.aside]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def outcomes(claim: ClaimResult) -> list[tuple[CellVerdict, str]]:
    """The parts of a sentence by verdict: what each says, from what size on, and where that is found."""
    return [
        (verdict, f"{says(effect)}, smallest effect of interest {effect.least:g} ({'; '.join(places)})")
        for verdict in VERDICTS
        for effect in claim.effects
        if (places := [_place(Part(effect, cell)) for cell in effect.cells if cell.verdict == verdict])
    ]


def _place(part: Part) -> str:
    return f"{_where(part.cell)}: {difference(part)}"


def counted(table: TextbookResults) -> str:
    """How many sentences hold, and where."""
    counts = table.counts
    return (
        f"Of {len(table.claims)} sentences of the textbook, {counts.everywhere} hold everywhere that we tried, "
        f"{counts.depends} depend on where, {counts.nowhere} hold nowhere and {counts.open} are open"
    )


def claims_table(table: TextbookResults) -> Table:
    """A row a sentence: its verdict, where it holds and fails, its tally, and the comparison that decides."""
    columns = (
        Column("sentence", "what the textbook says", kind="text", least=24),
        Column("verdict", "it holds", kind="label"),
        Column("where", "where it holds, and where it fails", kind="text", least=24),
        Column("tally", "+ / − / ?", alone="+/−/?"),
        Column("decides", "what decides: difference [95%]", kind="text", least=24),
        Column("n", "n"),
    )
    caption = (
        "Every sentence, where it holds and where it fails, and the comparison that decides: the weakest where all "
        "support it, the strongest exception where it depends; + / − / ?: comparisons that support it, refute it and "
        "are open"
    )
    rows = tuple(_row(claim) for claim in table.claims)
    return Table("All sentences and their verdicts", columns, rows, caption, tuple(notes(table)))


def _row(claim: ClaimResult) -> tuple[Cell, ...]:
    part = decisive(claim)
    return (
        Cell(claim.sentence, target=anchor(claim)),
        verdict_cell(claim.verdict),
        Cell(lead(claim) if claim.places else checked(claim)),
        Cell(f"{claim.counts.supported}/{claim.counts.refuted}/{claim.counts.inconclusive}"),
        Cell(_checked(claim) if part is None else stated(part)),
        Cell(str(claim.seeds) if claim.seeds else ""),
    )


def verdict_cell(verdict: SentenceVerdict | CellVerdict) -> Cell:
    """A verdict as people read it."""
    labels: dict[str, str] = {str(verdict): label for verdict, label in CELL_LABELS.items()}
    return Cell(labels.get(verdict, verdict), _STYLES.get(verdict, "soft"))


def anchor(claim: ClaimResult) -> str:
    """The id of a claim's part of the page."""
    return "claim-" + "-".join(claim.id.split("."))


def notes(table: TextbookResults) -> list[str]:
    """How a verdict is reached."""
    return [
        f"n = up to {table.seeds} paired seeds; [ ] 95% Student t intervals of paired differences, widened for the "
        "rows that seeds share.",
        "A comparison supports a sentence if its whole interval is at or beyond the smallest effect of interest, and "
        "refutes it if the whole interval falls short; of “the same”, if the interval lies inside or outside the "
        "margin. Else it is open: for and against weigh alike.",
        "everywhere: no comparison refutes it, three quarters or more support it; nowhere: the mirror image; depends: "
        "some support and some refute it, also by Bonferroni's intervals; else open. At a place (a data set, at one "
        "level) all parts must hold; of “can”, one.",
        "What it depends on is found after the fact: the property that best tells places apart, named only if Fisher's "
        "p, times the properties tried, is at most .05.",
        "A verdict counts for these data sets, networks and training lengths.",
    ]


def render(table: TextbookResults, *, width: int = WIDTH, color: bool = False, notes: bool = True) -> str:
    """How many sentences hold, and the table of all, for a terminal."""
    made = claims_table(table).only("sentence", "verdict", "where", "tally")
    return f"{fill(f'{counted(table)}.', width)}\n{terminal(made, width=width, color=color, notes=notes)}"


def markdown(table: TextbookResults) -> str:
    """The README's part: how many sentences hold, and a line each."""
    made = claims_table(table).only("sentence", "verdict", "where", "decides")
    return f"{counted(table)} (n = up to {table.seeds} paired seeds, 95% intervals).\n\n{tables.markdown(made)}"
