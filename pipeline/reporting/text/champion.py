"""The model that is handed over, as text: its parts, how it does on test rows, and what does the work."""

from __future__ import annotations

from textwrap import fill

from pipeline.evaluation.trust import LEVEL
from pipeline.reporting.table import WIDTH, Cell, Column, Style, Table, terminal
from pipeline.reporting.text import decisions
from pipeline.reporting.text.numbers import fixed, interval, short_interval, spelled
from pipeline.reporting.text.one_model import p_text
from pipeline.reporting.text.understood import shown
from pipeline.results.champion import ChampionResults, Contender, PartResult, RowMean
from pipeline.results.readable_names import readable

_KINDS = {"network": "networks", "linear": "logistic regression", "trees": "boosted trees"}
_NAMED = 4  # parts of a blend in a sentence
_OF_THE_BLEND = ("networks alone", "without networks")


def title(dataset: str) -> str:
    """What the table is called."""
    return f"The model that is handed over, {dataset}"


def table(results: ChampionResults) -> Table:
    """The champion, parts of it alone, and ordinary models on the same test rows."""
    columns = (
        Column("name", "model", kind="label"),
        Column("nll", "NLL"),
        Column("brier", "Brier score"),
        Column("accuracy", "accuracy"),
        Column("difference", "NLL − champion’s"),
    )
    caption = (
        f"Means over {results.test:,} test rows with 95% intervals over rows; fitted on {results.train:,} others, the "
        f"champion in {results.folds} folds"
    )
    rows = (results.champion, *results.contenders)
    return Table(title(results.dataset), columns, tuple(_row(each, results) for each in rows), caption, ())


def parts_table(results: ChampionResults) -> Table:
    """Every recipe of the library: its share of the blend, and its loss on rows that it was not fitted on."""
    columns = (
        Column("name", "part", kind="label"),
        Column("kind", "kind", kind="label"),
        Column("share", "share"),
        Column("held_out", "NLL, held out"),
    )
    rows = tuple(
        (Cell(readable(each.name)), Cell(each.kind), Cell(f"{each.share:.0%}" if each.share else "-"),
         Cell(fixed(each.held_out)))
        for each in results.parts
    )  # fmt: skip
    caption = f"Calibrated log-loss, in nats, of {results.train:,} rows, each by networks that have not seen it"
    return Table(f"Its parts, {results.dataset}", columns, rows, caption, ())


def classes_table(results: ChampionResults) -> Table | None:
    """How well the probability of every class is calibrated; None of two classes, where one is enough."""
    columns = (
        Column("class", "class", kind="label"),
        Column("rate", "rate"),
        Column("bias", "mean P − rate"),
        Column("ece", "ECE"),
        Column("floor", "chance alone"),
        Column("p", "p"),
    )
    rows = tuple(
        (Cell(shown(name)), Cell(fixed(each.rate)), Cell(interval(each.bias.value, each.bias, sign=True)),
         Cell(fixed(each.error)), Cell(fixed(each.floor)), Cell(p_text(each.p), "bad" if each.p <= LEVEL else ""))
        for name, each in zip(results.classes, results.calibration.each, strict=False)
    )  # fmt: skip
    caption = f"Each class against the rest, {results.test:,} test rows; p: of being calibrated, by Holm's correction"
    return Table(f"Its probabilities class by class, {results.dataset}", columns, rows, caption, ()) if rows else None


def decisions_table(results: ChampionResults) -> Table | None:
    """What deciding by each rule costs; None where nobody said what mistakes cost."""
    title = f"What decisions cost, {results.dataset}"
    caption = (
        f"Costs as `champion.costs` in params.yaml has them, {results.test:,} test rows; thresholds are tuned on rows "
        "held out"
    )
    return decisions.decisions_table(results.decisions, results.classes, title=title, caption=caption)


def sentences(results: ChampionResults) -> list[str]:
    """What does the work, whether anything else does better, trust, sets, and how far selection flatters itself."""
    return [_work(results), _against(results), _calibrator(results), _trust(results), _sets(results), _curse(results)]


def render(results: ChampionResults | None, *, width: int = WIDTH, color: bool = False, notes: bool = True) -> str:
    """The table and the sentences for a terminal; nothing where there is no champion."""
    if results is None:
        return ""
    drawn = [terminal(table(results), width=width, color=color, notes=notes, optional=("brier", "accuracy"))]
    decisions = decisions_table(results)
    if decisions is not None:
        drawn.append(terminal(decisions, width=width, color=color, notes=notes))
    said = "".join(f"{fill(text, width)}\n" for text in sentences(results))
    return f"{title(results.dataset)}\n" + "\n".join(drawn) + said


def _row(each: Contender, results: ChampionResults) -> tuple[Cell, ...]:
    first = each.name == results.champion.name
    style: Style = "" if first else "bad" if each.difference.high < 0 else "good" if each.difference.low > 0 else "soft"
    difference = Cell("" if first else short_interval(each.difference.mean, each.difference, sign=True), style)
    of_rows = (Cell(short_interval(mean.mean, mean)) for mean in (each.nll, each.brier, each.accuracy))
    return (Cell(readable(each.name)), *of_rows, difference)


def _work(results: ChampionResults) -> str:
    """The share of each kind, the largest first, and the largest parts."""
    shares = {kind: sum(each.share for each in results.parts if each.kind == kind) for kind in _KINDS}
    kinds = sorted((kind for kind in shares if shares[kind]), key=lambda kind: -shares[kind])
    listed = ", ".join(f"{shares[kind]:.0%} {_KINDS[kind]}" for kind in kinds)
    largest = ", ".join(_part(each) for each in results.parts[:_NAMED] if each.share)
    more = sum(each.share > 0 for each in results.parts) - _NAMED
    return f"The model is a blend of {listed}: {largest}{f' and {spelled(more)} more' if more > 0 else ''}."


def _part(each: PartResult) -> str:
    return f"{readable(each.name)} {each.share:.0%}"


def _against(results: ChampionResults) -> str:
    """The best of the ordinary models, and whether it differs."""
    loss = f"Its test NLL is {interval(results.champion.nll.mean, results.champion.nll)}"
    others = [each for each in results.contenders if each.name not in _OF_THE_BLEND]
    if not others:
        return f"{loss}."
    best = min(others, key=lambda each: each.nll.mean)
    return f"{loss}; the best of the others, {readable(best.name)}, {_compared(best.difference)}.{_networks(results)}"


def _networks(results: ChampionResults) -> str:
    """What networks add to the rest, where there is a rest."""
    without = next((each for each in results.contenders if each.name == "without networks"), None)
    return "" if without is None else f" Without networks the blend {_compared(without.difference)}."


def _compared(difference: RowMean) -> str:
    change = interval(abs(difference.mean), _absolute(difference))
    if difference.low > 0:
        return f"is worse by {change}"
    if difference.high < 0:
        return f"is better by {change}"
    return f"cannot be told apart from it ({interval(difference.mean, difference, sign=True)})"


def _absolute(difference: RowMean) -> RowMean:
    if difference.mean >= 0:
        return difference
    return RowMean(mean=-difference.mean, low=-difference.high, high=-difference.low)


def _calibrator(results: ChampionResults) -> str:
    """Which calibrator the blend has, and what it was chosen among."""
    losses = results.calibrator.losses
    if not losses:
        return f"The blend is calibrated by {results.calibrator.name}."
    others = ", ".join(f"{name} {fixed(loss, digits=4)}" for name, loss in losses.items())
    return f"The blend is calibrated by {results.calibrator.name}, chosen by cross-fitted NLL ({others})."


def _trust(results: ChampionResults) -> str:
    """Calibration error beside what chance alone gives."""
    event = results.calibration.event
    found = f"ECE {fixed(event.error)}, where chance alone gives {fixed(event.floor)} (p {_equal(p_text(event.p))})"
    if event.p <= LEVEL:
        return f"Its test probabilities are shown to be off: {found}."
    return f"Nothing speaks against its probabilities on test: {found}."


def _sets(results: ChampionResults) -> str:
    """Coverage and size of conformal sets."""
    parts = [
        f"{each.method.upper()} hold it in {each.covered.mean:.1%} and have {fixed(each.size.mean, digits=2)} classes"
        for each in results.sets
    ]
    return (
        f"Sets that shall hold the right class in {results.sets[0].asked:.0%} of rows: {'; '.join(parts)} on average."
    )


def _equal(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"


def _curse(results: ChampionResults) -> str:
    gap = results.cross_fitted - results.held_out
    return (
        f"On the rows that chose its parts its NLL is {fixed(results.held_out)}, on rows that did not "
        f"{fixed(results.cross_fitted)}: {fixed(gap)} of it is the winner’s curse."
    )
