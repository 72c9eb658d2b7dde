"""A study as text: tables of its points, of verdicts that change, of calibration; footnotes; and the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipeline.metrics.names import STAGES, MetricName
from pipeline.reporting.table import WIDTH, Cell, Column, Table, cells, markdown, terminal
from pipeline.reporting.text.numbers import short
from pipeline.reporting.text.points import (
    AUC,
    CLASS_FREQUENCIES,
    STAGE_NAMES,
    SUFFIX,
    mean_text,
    points_table,
    soft,
    test_nll,
    verdict_cell,
)
from pipeline.results.readable_names import DAGGER, readable
from pipeline.results.study import (
    SIGNIFICANT,
    Measured,
    PointResult,
    ProtocolSummary,
    RankChangeSide,
    StudyResults,
    VerdictChange,
)

_TERMINAL = (
    *("name", "nll_calibrated", "difference_calibrated", "p_better_calibrated", "verdict_calibrated"),
    *("more_seeds_calibrated", "ece_calibrated", "nll", "verdict", "ece", "debiased", "gap", "accuracy"),
)
_OPTIONAL = (
    *("more_seeds_calibrated", "debiased", "ece_calibrated", "accuracy", "gap", "ece", "verdict", "nll"),
    "p_better_calibrated",
)
"""Of these columns the first is the first to go where a terminal is narrow."""
_README = (
    "name",
    "nll",
    "gap",
    "ece",
    "nll_calibrated",
    "ece_calibrated",
    "difference_calibrated",
    "verdict",
    "verdict_calibrated",
)
_PAGE = (
    *("name", "accuracy"),
    *(key + SUFFIX[stage] for stage in STAGES for key in ("nll", "gap", "ece", "difference", "verdict")),
)
_CALIBRATION = {
    "debiased": "debiased²",
    "smece": "smooth CE",
    "classwise": "classwise",
    "debiased_classwise": "debiased² classwise",
    "bias": "confidence − accuracy",
}
_CALIBRATION |= {"brier": "Brier"}
_SIGNED = ("debiased", "bias")
_BINARY = {"auc": "AUC", "average_precision": "average precision"}


def render(results: StudyResults, *, width: int = WIDTH, color: bool = False, notes: bool = True) -> str:
    """The table of points and its footnotes for a terminal: what decides first."""
    made = _points(results, ordered(results)).only(*_TERMINAL)
    noted = Table(made.title, made.columns, made.rows, notes=tuple(footnotes(results)))
    return terminal(noted, width=width, color=color, notes=notes, optional=_OPTIONAL)


def page_table(results: StudyResults) -> Table:
    """All points as the page shows them, as trained and after calibration."""
    made = _points(results, ordered(results)).only(*_PAGE)
    notes = (
        multiplicity(results.protocol),
        correction(results.protocol),
        *_class_one(results),
        _base_rates(results),
        *a_a_checks(results),
        *_twins(results),
    )
    caption = f"Means over seeds on test; NLL − none with its interval; {DAGGER} see below"
    return Table(made.title, made.columns, made.rows, caption, notes)


def readme_table(results: StudyResults) -> str:
    """The unregularized point, and of each variant the point that validation chooses, as Markdown."""
    best: dict[str, PointResult] = {}
    for point in ordered(results):
        if not point.a_a and not point.duplicate:
            best.setdefault(point.variant, point)
    protocol, table = results.protocol, _points(results, list(best.values())).only(*_README)
    n = f"n = {protocol.seeds} paired seeds, {protocol.confidence:.0%} intervals"
    return f"**{results.dataset.name}** ({n})\n\n{markdown(table)}"


def _points(results: StudyResults, points: Sequence[PointResult]) -> Table:
    title = f"All points, {results.dataset.name}"
    return points_table(title, points, results.base_rates, name=_name, head="point")


def _name(point: PointResult) -> str:
    marks = {"=": point.duplicate, "∅": not point.learned}
    return " ".join([readable(point.key), *(mark for mark, holds in marks.items() if holds)])


def calibration_table(results: StudyResults) -> Table:
    """More measures of calibration: a row a point, duplicates of the reference left out, and class frequencies last."""
    columns = [Column("name", "point", kind="text")]
    measures = _CALIBRATION | (_BINARY if AUC in results.reference_point.metrics else {})
    columns += [Column(metric + SUFFIX[stage], stage, group) for metric, group in measures.items() for stage in STAGES]
    rows = [_calibration(point, readable(point.key), measures) for point in ordered(results) if not point.duplicate]
    rows.append(soft(_calibration(results.base_rates, CLASS_FREQUENCIES, measures)))
    caption = "More measures of calibration, before and after calibration; means over seeds on test"
    return Table(f"More measures of calibration, {results.dataset.name}", tuple(columns), tuple(rows), caption)


def _calibration(point: Measured, name: str, measures: Iterable[str]) -> tuple[Cell, ...]:
    metrics = [point.decisive(MetricName("test", stage, measure)) for measure in measures for stage in STAGES]
    texts = (
        mean_text(
            point,
            metric,
            digits=4 if metric.metric.startswith("debiased") else 3,
            sign=metric.metric.startswith(_SIGNED),
        )
        for metric in metrics
    )
    return cells(name, *texts)


def changes_table(results: StudyResults) -> Table:
    """The changes of sign or verdict of the NLL difference with calibration, largest changes of rank first."""
    columns = [Column("name", "point", kind="text"), Column("changed", "what changes")]
    columns += [
        Column(key + SUFFIX[stage], title, STAGE_NAMES[stage])
        for stage in STAGES
        for key, title in (("difference", "NLL − none"), ("verdict", "verdict"), ("rank", "rank"))
    ]
    changes = [change for change in results.verdict_changes if change.metric == "nll"]
    changes.sort(key=lambda change: -abs(change.after.rank - change.before.rank))
    caption = "Changes of sign or verdict of the NLL difference with calibration, the largest moves first"
    rows = tuple(tuple(_change(change)) for change in changes)
    return Table(f"Changes of sign or verdict, {results.dataset.name}", tuple(columns), rows, caption)


def _change(change: VerdictChange) -> Iterator[Cell]:
    yield from cells(readable(change.key), " and ".join(change.changed))
    for side in (change.before, change.after):
        yield from _side(side)


def _side(side: RankChangeSide) -> tuple[Cell, ...]:
    return Cell(short(side.difference, sign=True)), verdict_cell(side.verdict), Cell(str(side.rank))


def ordered(results: StudyResults) -> list[PointResult]:
    """The points as tables list them: variant by variant, from best to worst on validation, the reference first."""
    variants = list(dict.fromkeys(point.variant for point in results.points))

    def rank(point: PointResult) -> tuple[int, bool, float]:
        return variants.index(point.variant), point.key != results.reference.key, point.tuning.best.mean

    return sorted(results.points, key=rank)


def footnotes(results: StudyResults) -> list[str]:
    """What n is, what the intervals are, which corrections were made, what the A/A check and duplicates say."""
    protocol, data = results.protocol, results.dataset
    percent = f"{protocol.confidence:.0%}"
    return [
        f"n = {protocol.seeds} paired seeds; {data.train} training, {data.validation} validation, "
        f"{data.test} test rows. NLL on test, in nats; [ ] are {percent} Student t intervals over seeds.",
        "NLL − none: paired difference from the unregularized point (negative is better). Cal.: after "
        f"calibration on validation rows by {protocol.calibrator}. Floor: the ECE expected of a calibrated model. "
        "Debiased: signed squared calibration error.",
        f"P(better): share of paired seeds with the lower NLL, ties half; [ ] {percent} bootstrap of "
        f"{protocol.resamples} seed sets. Better: above 1/2 and reaching beyond {protocol.gamma:g}; same: "
        "shown to matter less; no evidence: neither. "
        "+n: more seeds that would settle it with even chances; 0: settled; empty: only more rows would. The points of "
        "a variant stand from best to worst on validation.",
        _verdict_changes(results.verdict_changes),
        *_class_one(results),
        _base_rates(results),
        multiplicity(protocol),
        correction(protocol),
        *a_a_checks(results),
        *_twins(results),
    ]


def _verdict_changes(changes: Sequence[VerdictChange]) -> str:
    changed = [change for change in changes if change.metric == "nll" and "verdict" in change.changed]
    listed = "; ".join(
        f"{readable(change.key)}: {change.before.verdict} to {change.after.verdict}" for change in changed
    )
    return f"Verdicts on NLL that change with calibration: {listed or 'none'}."


def _class_one(results: StudyResults) -> list[str]:
    if AUC not in results.reference_point.metrics:
        return []
    name = results.dataset.classes[1].name
    return [
        f"With two classes ECE, floor and debiased error are of the probability of class {name}, for a top label hides "
        "errors that cancel; AUC is the area under its ROC curve."
    ]


def _base_rates(results: StudyResults) -> str:
    nothing = ", ".join(readable(point.key) for point in results.points if not point.learned)
    text = f"{CLASS_FREQUENCIES.capitalize()}: those of the training rows, as the probabilities of every row"
    return f"{text}; ∅ has learned nothing that predicts validation rows better: {nothing or 'none'}."


def _twins(results: StudyResults) -> list[str]:
    twins = ", ".join(readable(point.key) for point in results.points if point.duplicate)
    return [f"= identical to the unregularized point to the bit: {twins}."] if twins else []


def multiplicity(protocol: ProtocolSummary, *, compared: str = "points") -> str:
    """What the dagger means: verdicts themselves are not corrected for how many there are."""
    return (
        f"Verdicts are not corrected for several comparisons: {DAGGER} marks those that do not hold at "
        f"{SIGNIFICANT:.0%} once all {protocol.family} {compared} are taken into account (Holm's step-down)."
    )


def protocol_sentences(protocol: ProtocolSummary) -> list[str]:
    """What seeds, intervals and verdicts are, for a page."""
    return [
        f"{protocol.seeds} paired seeds; every seed has its own training and validation rows, initial weights, batch "
        "order, masks and noise, and all points share them.",
        f"{protocol.interval}, {protocol.confidence:.0%}; P(better): {protocol.p_better} ({protocol.resamples:,} "
        f"resamples), “better” or “worse” if its interval excludes ½ and reaches beyond {protocol.gamma} (Bouthillier "
        "et al. 2021).",
        multiplicity(protocol),
        correction(protocol),
    ]


def correction(protocol: ProtocolSummary) -> str:
    """What is done about the rows that seeds share."""
    if protocol.correction == "none":
        return (
            "Every seed draws its own training and validation rows; all share one test set, whose own noise the "
            "intervals leave out."
        )
    if not protocol.rho_train:
        return (
            "Every seed draws its own training and validation rows; all share one test set, and t intervals are "
            "widened for its noise, as groups of its rows show it. A verdict needs that interval to exclude 0 as well."
        )
    return (
        "Seeds resplit one data set: t intervals are widened (Nadeau & Bengio) for the correlation that shared rows "
        f"cause: measured for test rows, and taken as {protocol.rho_train:.2g} for training rows, a tenth of the share "
        "of the pool that a seed trains on. In simulated studies of networks such intervals hold the truth in 96 to "
        "100 percent (benchmarks/coverage.json). A verdict needs that interval to exclude 0 as well."
    )


def a_a_checks(results: StudyResults) -> list[str]:
    """What the unregularized network on other seeds says against itself."""
    return [_a_a(point) for point in results.points if point.a_a]


def _a_a(point: PointResult) -> str:
    against = point.comparison(test_nll("before"))
    if against is None or against.left_out:
        return f"A/A check {point.key}: not compared."
    verdicts = [entry.verdict for entry in point.against_reference.values() if not entry.left_out]
    alarms = sum(verdict != "no evidence" for verdict in verdicts)
    return (
        f"A/A check (the unregularized network on other seeds, paired by position, {point.key}): "
        f"{against.verdict} on NLL; {alarms} of {len(verdicts)} metrics compared raise a false alarm."
    )
