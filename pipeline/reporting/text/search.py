"""A search as text: tables of its arms, of winners on fresh seeds and of all pairs; its conclusion in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from textwrap import fill
from typing import NamedTuple

from pipeline.config.search_space import LEARNING_RATE, Objective, Pruner
from pipeline.config.settings import Setting, is_on, word
from pipeline.metrics.names import STAGES, MetricName
from pipeline.reporting.table import WIDTH, Cell, Column, Table, cells, markdown, terminal
from pipeline.reporting.text.answer import sentence
from pipeline.reporting.text.numbers import OBJECTIVES, interval, short
from pipeline.reporting.text.points import CLASS_FREQUENCIES, SUFFIX, points_table, soft, test_nll, verdict_cell
from pipeline.reporting.text.study import correction, multiplicity
from pipeline.results.readable_names import STAR, readable, readable_arms
from pipeline.results.search import ArmResult, SearchResults
from pipeline.results.study import Comparison, Finding, PointResult, Verdict

AFTER = test_nll("after")
_SAMPLERS = {"tpe": "TPE", "random": "random sampling", "gp": "a Gaussian process", "nsga2": "NSGA-II"}
_PRUNERS = {"halving": "successive halving", "hyperband": "Hyperband", "median": "the median rule"}
_OPPOSITE: dict[Verdict, Verdict] = {"better": "worse", "worse": "better", "no evidence": "no evidence"}
_THAN: dict[Verdict, str] = {
    "better": "better than",
    "worse": "worse than",
    "no evidence": "not shown to be better than",
}
_COST = "Cost: networks × epochs of the arm’s trials, thousands; every arm has the same number of trials"
_KEYS = ("nll", "gap", "ece", "debiased", "difference", "verdict")
_PAGE = tuple(key + SUFFIX[stage] for stage in STAGES for key in _KEYS)
_SHORT = ("nll", "nll_calibrated", "ece_calibrated", "difference_calibrated", "verdict_calibrated")


_OPTIONAL = ("cost", "trials", "value", "ece_calibrated", "nll", "strengths")
"""Of these columns the first is the first to go where a terminal is narrow."""


class Difference(NamedTuple):
    """A contender's metric minus another's, with its interval and finding."""

    difference: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    finding: Finding
    fails_holm: bool


def conclusion(search: SearchResults) -> list[str]:
    """The answer in sentences: what to use, the best arm against the best single one, and what is only as good."""
    sentences = [sentence(search.results, name=readable_arms), _best_arm(search)]
    verdicts = [entry.verdict for point in search.results.points if (entry := point.comparison(AFTER)) is not None]
    if "better" not in verdicts:
        sentences.append(
            "Unregularized is as good: nothing is shown to be better than the tuned, unregularized network."
        )
    return sentences


def _best_arm(search: SearchResults) -> str:
    """The best tuned arm against the best single one, both by what the search minimized."""
    known = {point.name: point.tuning.best.mean for point in tuned(search)}
    combined = {entry.name for entry in search.interactions if entry.kind == "tuned"}
    reference = search.results.reference.key
    single = [name for name in known if name not in combined and name != reference]
    best = min(known, key=lambda name: known[name])
    lead = "The best arm on the search's seeds"
    if best == reference or not single:
        return f"{lead} is {readable_arms(best)}."
    alone = min(single, key=lambda name: known[name])
    if best == alone:
        return f"{lead}, {readable_arms(best)}, is a single one."
    entry = pair(search, best, alone, metric=AFTER)
    return (
        f"{lead}, {readable_arms(best)}, is {_THAN[entry.verdict]} the best single one, {readable_arms(alone)}: test "
        f"NLL after calibration differs by {interval(entry.difference, entry, digits=4, sign=True)}."
    )


def pair(search: SearchResults, a: str, b: str, *, metric: MetricName) -> Difference:
    """What `a` minus `b` is, whichever way the table has it.

    Raises:
        KeyError: the table has no such pair.
    """
    for entry in search.pairs:
        if metric in entry.metrics and {entry.a, entry.b} == {a, b}:
            comparison = entry.metrics[metric]
            return _as_is(comparison) if entry.a == a else _turned(comparison)
    raise KeyError(f"pairs must hold {a} and {b} by {metric}")


def _as_is(entry: Comparison) -> Difference:
    return Difference(entry.difference, entry.low, entry.high, entry.verdict, entry.finding, entry.fails_holm)


def _turned(entry: Comparison) -> Difference:
    """The same comparison the other way round."""
    difference, low, high = (
        None if value is None else 0.0 - value for value in (entry.difference, entry.high, entry.low)
    )
    verdict = _OPPOSITE[entry.verdict]
    return Difference(difference, low, high, verdict, "same" if entry.equivalent else verdict, entry.fails_holm)


def tuned(search: SearchResults) -> list[PointResult]:
    """The winners of the arms, in the order of the table: the unregularized one first."""
    return [point for point in search.results.points if point.kind == "tuned"]


def strengths(arm: ArmResult) -> str:
    """What a winner is made of, the learning rate first; strengths that it has switched off stand last."""
    order = [LEARNING_RATE, *(name for name in arm.strengths if name != LEARNING_RATE)]
    on = ", ".join(_setting(name, arm.strengths[name]) for name in order if is_on(arm.strengths[name]))
    off = ", ".join(readable(name) for name in order if not is_on(arm.strengths[name]))
    return f"{on}; off: {off}" if off else on


def _setting(name: str, value: Setting) -> str:
    """`dropout 0.42`, `batch norm`, `early stopping by NLL`."""
    return readable(f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={word(value)}")


def notes(arm: ArmResult) -> list[str]:
    """What a reader should know of a winner: strengths at the edge of their range, decay that does nothing."""
    texts = [f"{readable(name)} is near the end of its range: beyond may be better still" for name in arm.edges]
    regularizers = [value for name, value in arm.strengths.items() if name != LEARNING_RATE]
    if regularizers and not any(map(is_on, regularizers)):
        texts.append("all off: the unregularized network, at the learning rate that this arm found")
    if arm.decay is not None:
        epochs = f"{arm.decay.epochs:,.0f}" if arm.decay.epochs >= 100 else f"{arm.decay.epochs:.2g}"
        warning = f": {arm.decay.warning}" if arm.decay.warning else ""
        texts.append(f"weight decay has a timescale of {epochs} epochs, of {arm.decay.of} in all{warning}")
    return texts


def arms_table(search: SearchResults) -> Table:
    """A row an arm: what won, out of what, and how optimistic its value was."""
    objective = OBJECTIVES[search.search.objectives[0]]
    columns = (
        Column("arm", "arm", kind="text", least=15),
        Column("strengths", "its best", kind="text", least=26),
        Column("trials", "completed / pruned / failed", alone="trials"),
        Column("cost", "cost"),
        Column("value", f"{objective} found", alone="search"),
        Column("optimism", "optimism"),
        Column("notes", "notes", kind="text"),
    )
    rows = tuple((Cell(starred(search, point.name)), *_arm(search.arms[point.name])) for point in tuned(search))
    caption = (
        f"{_sentence_case(budget(search))}. {_COST}. Optimism: how much worse the winner is on fresh seeds than the "
        "search took it to be, with Welch’s interval"
    )
    return Table(f"The arms of the search, {search.results.dataset.name}", columns, rows, caption)


def starred(search: SearchResults, contender: str) -> str:
    """An arm, or arms that are stacked, as people write them, with a star where that is recommended."""
    name = readable_arms(contender)
    return f"{name} {STAR}" if contender == search.results.recommended else name


def _arm(arm: ArmResult) -> Iterator[Cell]:
    trials, optimism = arm.trials, arm.optimism
    yield Cell(strengths(arm))
    counts = f"{trials.complete}/{trials.pruned}/{trials.failed}"
    yield from cells(counts, f"{arm.network_epochs / 1000:.1f}", short(arm.value))
    is_optimistic = optimism.low is not None and optimism.low > 0
    yield Cell(interval(optimism.mean, optimism, sign=True), "bad" if is_optimistic else "")
    yield Cell("; ".join(notes(arm)))


def contenders_table(search: SearchResults) -> Table:
    """A row a contender on fresh seeds: accuracy, and the rest as trained and after calibration."""
    made = _contenders(search, search.results.points).only("name", "accuracy", *_PAGE)
    caption = (
        f"Means over {search.results.protocol.seeds} fresh seeds on test; NLL − none: against the tuned, unregularized "
        "network, with its interval"
    )
    return Table(made.title, made.columns, made.rows, caption)


def _contenders(search: SearchResults, points: Sequence[PointResult]) -> Table:
    title = f"The winners on fresh seeds, {search.results.dataset.name}"
    return points_table(
        title,
        points,
        search.results.base_rates,
        name=lambda point: starred(search, point.name),
        head="arm, or winners stacked",
    )


def pairs_table(search: SearchResults) -> Table:
    """Every arm minus every other: below the diagonal after calibration, above it as trained."""
    names = [point.name for point in tuned(search)]
    columns = [Column("arm", "arm", kind="text"), *(Column(name, readable_arms(name)) for name in names)]
    rows = tuple(
        (Cell(starred(search, a)), *(_difference(search, a, b, below=j < i) for j, b in enumerate(names)))
        for i, a in enumerate(names)
    )
    caption = "Test NLL of the row minus that of the column: below the diagonal after calibration, above it as trained"
    return Table(f"Every arm against every other, {search.results.dataset.name}", tuple(columns), rows, caption)


def _difference(search: SearchResults, a: str, b: str, *, below: bool) -> Cell:
    if a == b:
        return Cell("")
    entry = pair(search, a, b, metric=test_nll("after" if below else "before"))
    if entry.difference is None:
        return Cell("left out", "soft")
    finding = verdict_cell(entry.finding, fails_holm=entry.fails_holm)
    return Cell(f"{short(entry.difference, sign=True)} {finding.text}", finding.style)


def budget(search: SearchResults) -> str:
    """What every arm could spend."""
    spent, epochs = search.search, search.results.points[0].parameters.epochs
    return (
        f"{spent.trials} trials of each arm, {spent.seeds} seeds and up to {epochs} epochs each, proposed "
        f"{spent.batch} at a time by {_SAMPLERS[spent.sampler.kind]}{_pruning(spent.pruner)}; by "
        f"{_objectives(spent.objectives)} on validation rows"
    )


def _pruning(pruner: Pruner) -> str:
    known = _PRUNERS.get(pruner.kind)
    return f", ended early by {known} from epoch {pruner.first} on" if known else ""


def _objectives(objectives: Sequence[Objective]) -> str:
    return " and ".join(OBJECTIVES[objective] for objective in objectives)


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def comparison_notes(search: SearchResults) -> list[str]:
    """What is corrected for in comparisons of contenders."""
    protocol = search.results.protocol
    return [multiplicity(protocol, compared="contenders"), correction(protocol)]


def footnotes(search: SearchResults) -> list[str]:
    """What the columns are, what n is, and what was corrected."""
    protocol = search.results.protocol
    return [
        f"{_sentence_case(budget(search))}. Trials: completed / pruned / failed. {_COST}.",
        f"Test, after calibration (cal.), minus none: n = {protocol.seeds} paired seeds that the search has "
        f"not seen; [ ] {protocol.confidence:.0%} Student t intervals. None is the tuned, unregularized network.",
        *comparison_notes(search),
    ]


def render(search: SearchResults, *, width: int = WIDTH, color: bool = False, notes: bool = True) -> str:
    """The table, its footnotes and what follows from it but the answer, for a terminal."""
    made = _arms_and_winners(search, "arm", "strengths", "trials", "cost", "value")
    noted = Table(made.title, made.columns, made.rows, notes=tuple(footnotes(search)))
    answer = "\n".join(fill(text, width) for text in conclusion(search)[1:])
    head = f"{search.results.dataset.name}: the best that each arm can do"
    return f"{head}\n{terminal(noted, width=width, color=color, notes=notes, optional=_OPTIONAL)}{answer}\n"


def brief(search: SearchResults, *, width: int = WIDTH, color: bool = False) -> str:
    """What the best of each arm is worth on fresh seeds, in a small table for a terminal."""
    return terminal(_arms_and_winners(search, "arm", "strengths"), width=width, color=color, optional=_OPTIONAL[3:])


def _arms_and_winners(search: SearchResults, *columns: str) -> Table:
    """Columns of the arms, and beside them what their winners and class frequencies score on fresh seeds."""
    arms = arms_table(search).only(*columns)
    last = soft(cells(CLASS_FREQUENCIES, *[""] * (len(columns) - 1)))
    return replace(arms, rows=(*arms.rows, last)).beside(_contenders(search, tuned(search)).only(*_SHORT))


def readme_tables(searches: Sequence[SearchResults]) -> str:
    """The README's part: a small table a data set and its answer, as Markdown."""
    return "\n\n".join(_readme_table(search) for search in searches)


def _readme_table(search: SearchResults) -> str:
    name, protocol = search.results.dataset.name, search.results.protocol
    made = _arms_and_winners(search, "arm", "strengths")
    n = f"n = {protocol.seeds} paired seeds, {protocol.confidence:.0%} intervals; {budget(search)}"
    return "\n\n".join([f"**{name}** ({n})", markdown(made), " ".join(conclusion(search))])
