"""The textbook's claims as text: the table of sentences and verdicts, and what was found of each sentence."""

from __future__ import annotations

from textwrap import fill
from typing import NamedTuple

from pipeline.reporting import table as tables
from pipeline.reporting.table import WIDTH, Cell, Column, Table, terminal, verdict_style
from pipeline.reporting.text.numbers import fixed, interval
from pipeline.reporting.text.textbook_names import describe, levels, listed, setting, target
from pipeline.results.readable_names import readable
from pipeline.results.study import MetricSummary
from pipeline.results.textbook import (
    VERDICTS,
    ClaimResult,
    ClaimVerdict,
    EffectCell,
    EffectResult,
    TextbookResults,
    VerdictCounts,
)

SIGNS: dict[ClaimVerdict, str] = {"supported": "✓", "refuted": "✗", "inconclusive": "?"}
LABELS: dict[ClaimVerdict, str] = {"supported": "supported", "refuted": "refuted", "inconclusive": "open"}
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
    """What an effect says; of one that the sentence denies, that it does."""
    return f"the sentence denies that {effect.says}" if effect.denied else effect.says


def _where(cell: EffectCell) -> str:
    at = levels(cell.at)
    return ", ".join([readable(cell.dataset), *([at] if at else [])])


def decisive(claim: ClaimResult) -> Part | None:
    """The comparison that decides: the weakest that supports what holds everywhere, the strongest exception if not.

    Of a claim that something holds somewhere it is the mirror image. None where exact checks alone decide.
    """
    everywhere = claim.quantifier == "all"
    decided = "refuted" if everywhere else "supported"  # by one comparison, under Bonferroni's correction
    is_strict = claim.verdict == decided
    chosen = [p for p in parts(claim) if (p.cell.strict if is_strict else p.cell.verdict) == claim.verdict]
    if claim.verdict == "inconclusive":
        chosen = [part for part in parts(claim) if part.cell.verdict == decided] or chosen
    known = [part for part in chosen if part.cell.mean is not None] or chosen
    return (min if everywhere else max)(known, key=_strength, default=None)


def _strength(part: Part) -> float:
    """How far the difference goes the way that it is said to go, in smallest effects of interest."""
    size = (part.cell.mean or 0.0) / max(part.effect.least, 1e-12)
    along = {"higher": size, "lower": -size, "same": 1 - abs(size)}[part.effect.direction]
    return -along if part.effect.denied else along


def by_dataset(claim: ClaimResult) -> dict[ClaimVerdict, list[str]]:
    """On which data sets the sentence is supported, refuted and open, each taken alone."""
    datasets: dict[ClaimVerdict, list[str]] = {verdict: [] for verdict in VERDICTS}
    whole, single = VERDICTS[:2] if claim.quantifier == "all" else VERDICTS[1::-1]
    for dataset in claim.datasets:
        verdicts = {part.cell.verdict for part in parts(claim) if part.cell.dataset == dataset}
        datasets[whole if verdicts == {whole} else single if single in verdicts else "inconclusive"].append(dataset)
    return datasets


def finding(claim: ClaimResult) -> str:
    """What was found of a sentence: where it holds and where not, the comparison that decides, and exact checks."""
    places, part = by_dataset(claim), decisive(claim)
    order = sorted(VERDICTS, key=lambda verdict: verdict != claim.verdict)
    where = ", ".join(f"{LABELS[verdict]} on {listed(places[verdict])}" for verdict in order if places[verdict])
    sentences = [f"Each data set taken alone: {where}."] if where else []
    sentences += [f"What decides: {stated(part)}."] if part is not None else []
    sentences += [f"{_checked(claim)}."] if claim.checks else []
    return " ".join(sentences)


def checked(claim: ClaimResult) -> str:
    """How many exact checks of a claim hold."""
    return f"{sum(check.holds for check in claim.checks)} of {len(claim.checks)} exact checks hold"


def _checked(claim: ClaimResult) -> str:
    failed = [f"“{check.what}”" for check in claim.checks if not check.holds]
    return f"{checked(claim)}, not {', '.join(failed)}" if failed else checked(claim)


def tally(claim: ClaimResult) -> str:
    """How many comparisons speak for and against a sentence."""
    counts, total = claim.counts, _total(claim.counts)
    unit = "comparison" if claim.effects else "check"
    texts = [f"{counts.supported} of {total} {unit}{'s' * (total != 1)} support{'s' * (total == 1)} it"]
    texts += [f"{counts.refuted} refute{'s' * (counts.refuted == 1)} it"] if counts.refuted else []
    texts += [f"{counts.inconclusive} open"] if counts.inconclusive else []
    return ", ".join(texts)


def _total(counts: VerdictCounts) -> int:
    return counts.supported + counts.refuted + counts.inconclusive


def compared(claim: ClaimResult) -> dict[ClaimVerdict, int]:
    """How many comparisons, exact checks apart, have each verdict."""
    verdicts = [part.cell.verdict for part in parts(claim)]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def outcomes(claim: ClaimResult) -> list[tuple[ClaimVerdict, str]]:
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
    """How many sentences hold."""
    counts = table.counts
    return (
        f"Of {_total(counts)} sentences of the textbook, {counts.supported} are supported, "
        f"{counts.refuted} refuted and {counts.inconclusive} open"
    )


def claims_table(table: TextbookResults) -> Table:
    """A row a sentence: its verdict, its tally, and the comparison that decides."""
    columns = (
        Column("sentence", "what the textbook says", kind="text", least=24),
        Column("verdict", "verdict", kind="label"),
        Column("tally", "+ / − / ?", alone="+/−/?"),
        Column("decides", "what decides: difference [95%]", kind="text", least=24),
        Column("n", "n"),
    )
    caption = (
        "Every sentence, and the comparison that decides: the weakest where all support it, the strongest exception "
        "where one does not; + / − / ?: comparisons that support it, refute it and are open"
    )
    rows = tuple(_row(claim) for claim in table.claims)
    return Table("All sentences and their verdicts", columns, rows, caption, tuple(notes(table)))


def _row(claim: ClaimResult) -> tuple[Cell, ...]:
    part = decisive(claim)
    return (
        Cell(claim.sentence, target=anchor(claim)),
        verdict_cell(claim.verdict),
        Cell(f"{claim.counts.supported}/{claim.counts.refuted}/{claim.counts.inconclusive}"),
        Cell(_checked(claim) if part is None else stated(part)),
        Cell(str(claim.seeds) if claim.seeds else ""),
    )


def verdict_cell(verdict: ClaimVerdict) -> Cell:
    """A verdict as people read it."""
    return Cell(LABELS[verdict], verdict_style(verdict))


def anchor(claim: ClaimResult) -> str:
    """The id of a claim's part of the page."""
    return "claim-" + "-".join(claim.id.split("."))


def notes(table: TextbookResults) -> list[str]:
    """How a verdict is reached."""
    return [
        f"n = {table.seeds} paired seeds; [ ] 95% Student t intervals of paired differences, widened for the "
        "rows that seeds share.",
        "An effect is supported if its interval excludes zero and its mean reaches the smallest effect of interest; "
        "refuted if the whole interval falls short of that; of “the same”, if the interval lies inside or outside the "
        "margin. Else it is open.",
        "A sentence is supported if all its effects are on all its data sets, and refuted by a single one (“can”: the "
        "other way round); a single one decides by Bonferroni's interval. +/−/?: comparisons and checks that "
        "support it, refute it, and are open. Shown: the comparison that decides.",
        "A verdict counts for these data sets, networks and training lengths.",
    ]


def render(table: TextbookResults, *, width: int = WIDTH, color: bool = False, notes: bool = True) -> str:
    """How many sentences hold, and the table of all, for a terminal."""
    made = claims_table(table).only("sentence", "verdict", "tally", "decides")
    return f"{fill(f'{counted(table)}.', width)}\n{terminal(made, width=width, color=color, notes=notes)}"


def markdown(table: TextbookResults) -> str:
    """The README's part: how many sentences hold, and a line each."""
    made = claims_table(table).only("sentence", "verdict", "tally", "decides")
    return f"{counted(table)} (n = {table.seeds} paired seeds, 95% intervals).\n\n{tables.markdown(made)}"
