"""One model's probabilities in tables: scores before and after calibration, classes, groups of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.calibration.calibrator import calibrator_name
from pipeline.evaluation.one_model import FEWEST_ROWS, Group, ModelReport, ModelScores
from pipeline.evaluation.trust import LEVEL, TOLERABLE, is_enough
from pipeline.reporting.table import Cell, Column, Style, Table, cells
from pipeline.reporting.text.numbers import MISSING, short, short_interval
from pipeline.reporting.text.understood import shown
from pipeline.results.event_scores import EventScores

CLASSES_SHOWN = 12
TOO_FEW = "too few to tell"
_MANY_ROWS = 20_000  # show errors that need a digit more


def event_name(report: ModelReport) -> str:
    """What probability is looked at first."""
    return f"P({shown(report.classes[1])})" if len(report.classes) == 2 else "the top label"


def axes_names(report: ModelReport) -> tuple[str, str]:
    """What a diagram's axes are called: the probability, and how often it came true."""
    if len(report.classes) > 2:
        return "confidence", "accuracy"
    return event_name(report), f"rate of {shown(report.classes[1])}"


def errors(report: ModelReport, scores: ModelScores) -> str:
    """The calibration error of a diagram, with what chance gives and its p value."""
    event, digits = scores.event, _digits(report.rows)[0]
    p = p_text(event.p)
    means = f"ECE {short(event.error, digits=digits)}, chance alone {short(event.floor, digits=digits)}"
    return f"{means}, p {p if p.startswith('<') else f'= {p}'}"


def scores_table(report: ModelReport) -> Table:
    """Every score as given, after calibration and of class frequencies."""
    after = f"after {calibrator_name(len(report.classes))}"
    columns = (
        Column("score", "score", kind="label"),
        Column("given", "as given", kind="label"),
        Column("calibrated", after, kind="label"),
        Column("base", "class frequencies", kind="label"),
    )
    pairs = zip(_score_rows(report, report.given), _score_rows(report, report.calibrated), strict=True)
    rows = tuple(
        (Cell(name), Cell(given), Cell(calibrated), Cell(base)) for (name, given, base), (_, calibrated, _) in pairs
    )
    return Table("Scores", columns, rows, caption="Scores with 95% intervals over rows.", notes=score_notes(report))


def _score_rows(report: ModelReport, scores: ModelScores) -> Iterator[tuple[str, str, str]]:
    """Name, value and what class frequencies have."""
    error, squared = _digits(report.rows)
    event, name = scores.event, event_name(report)
    infinite = bool(report.impossible) and scores is report.given
    nll = short_interval(scores.nll.value, scores.nll, digits=error)
    frequent = max(report.counts) / report.rows
    yield (
        "accuracy",
        short_interval(scores.accuracy.value, scores.accuracy, digits=error),
        short(frequent, digits=error),
    )
    yield "NLL, nats", f"infinite; {nll}" if infinite else nll, short(report.base_nll, digits=error)
    brier = short_interval(scores.brier.value, scores.brier, digits=error)
    yield "Brier score, 0 to 2", brier, short(report.base_brier, digits=error)
    yield f"ECE of {name}", short(event.error, digits=error), ""
    yield "  of calibrated ones (chance alone)", short(event.floor, digits=error), ""
    yield "  p of being calibrated", p_text(event.p), ""
    yield "debiased squared error", short_interval(event.debiased.value, event.debiased, digits=squared), ""
    yield _bias_name(report), short_interval(event.bias.value, event.bias, digits=error, sign=True), ""
    if len(report.classes) == 2:
        yield "ECE of the top label / chance alone", _ratio(scores.top, error), ""
    else:
        yield "debiased squared error, mean of classes", short(scores.classwise, digits=squared), ""


def score_notes(report: ModelReport) -> tuple[str, ...]:
    """What the scores are, and what was counted otherwise than it stands there."""
    rows = f"{report.rows:,}"
    infinite = (
        f"NLL is infinite, for {len(report.impossible):,} of {report.rows:,} rows had a probability of 0 for what came "
        f"true; beside it, 0 counts as {report.zero:.2g}: half of the smallest other probability, or of 1 in {rows}."
    )
    return (
        *([infinite] if report.impossible else []),
        "ECE: 15 bins of equal mass; biased upwards, so read it beside what chance alone gives. Debiased: signed, 0 "
        "when calibrated.",
        "After calibration: every fifth of the rows by a calibrator fitted on the other four. [95% intervals] take "
        "rows as independent.",
    )


def classes_table(report: ModelReport, *, most: int | None = None) -> Table:
    """The calibration of every class against the rest; where there are many, of those that are most off."""
    error, squared = _digits(report.rows)
    columns = (Column("class", "class", kind="label"), Column("rows", "rows"), *_event_columns("rate"))
    places = list(range(len(report.classes)))
    if most is not None and len(places) > most:
        places = sorted(places, key=lambda place: -report.each[place].debiased.value)[:most]
    rows = tuple(
        (Cell(shown(report.classes[k])), Cell(f"{report.counts[k]:,}"), *_event_cells(report.each[k], error, squared))
        for k in places
    )
    hidden = len(report.classes) - len(rows)
    more = (f"The {len(rows)} that are most off; {len(report.classes)} classes in all.",) if hidden else ()
    holm = "p: of being calibrated, adjusted for the number of classes (Holm)."
    return Table("Classes", columns, rows, caption="Each class against the rest.", notes=(*more, holm))


def groups_table(report: ModelReport, column: str) -> Table:
    """Scores of each group of rows, and its calibration where it has enough of them."""
    error, squared = _digits(report.rows)
    columns = (
        Column("group", column, kind="label"),
        *(Column(key, title) for key, title in (("rows", "rows"), ("accuracy", "accuracy"), ("nll", "NLL"))),
        Column("brier", "Brier"),
        *_event_columns("rate" if len(report.classes) == 2 else ""),
        Column("remark", "", kind="text"),
    )
    rows = tuple(_group_row(group, error, squared, rate=len(report.classes) == 2) for group in report.groups)
    note = f"Errors: of {event_name(report)}; p: of being calibrated, adjusted for the number of groups (Holm)."
    if not any(row[-1].text for row in rows):
        columns, rows = columns[:-1], tuple(row[:-1] for row in rows)
    few = (
        f"{TOO_FEW.capitalize()}: under {FEWEST_ROWS} rows, or an error of {short(TOLERABLE, digits=2)} would not show."
    )
    notes = (note, few) if any(row[-1].text == TOO_FEW for row in rows) else (note,)
    return Table(f"Groups: {column}", columns, rows, caption="The same errors group by group.", notes=notes)


def p_text(p: float) -> str:
    """A p value of 999 redrawn tables."""
    return "< .002" if p < 0.002 else short(p, digits=3)


def _group_row(group: Group, error: int, squared: int, *, rate: bool) -> tuple[Cell, ...]:
    scores = (group.accuracy, group.nll, group.brier)
    head = cells(shown(group.name), f"{group.rows:,}", *(short(each.value, digits=error) for each in scores))
    if group.event is None:
        blank = cells(*[MISSING] * (4 + 2 * rate))
        return (*head, *blank, Cell(TOO_FEW, "soft"))
    tells = group.event.p <= LEVEL or is_enough(group.event)
    cells_of_event = _event_cells(group.event, error, squared)
    return (*head, *cells_of_event[0 if rate else 2 :], Cell("" if tells else TOO_FEW, "soft"))


def _event_columns(rate: str) -> tuple[Column, ...]:
    means = (Column("rate", rate), Column("bias", "mean P − rate")) if rate else ()
    return (
        *means,
        Column("ece", "ECE"),
        Column("floor", "chance"),
        Column("p", "p"),
        Column("debiased", "debiased squared error"),
    )


def _event_cells(event: EventScores, error: int, squared: int) -> tuple[Cell, ...]:
    style: Style = "bad" if event.p <= LEVEL else ""
    return (
        Cell(short(event.rate, digits=error)),
        Cell(short(event.bias.value, digits=error, sign=True)),
        Cell(short(event.error, digits=error), style),
        Cell(short(event.floor, digits=error)),
        Cell(p_text(event.p)),
        Cell(short_interval(event.debiased.value, event.debiased, digits=squared)),
    )


def _bias_name(report: ModelReport) -> str:
    return "mean probability − rate" if len(report.classes) == 2 else "mean confidence − accuracy"


def _ratio(event: EventScores, digits: int) -> str:
    return f"{short(event.error, digits=digits)} / {short(event.floor, digits=digits)}"


def _digits(rows: int) -> tuple[int, int]:
    """Digits of errors and of squared errors that so many rows can show."""
    return (3, 4) if rows < _MANY_ROWS else (4, 6)


def counted(classes: Sequence[str], counts: Sequence[int]) -> str:
    """How many rows each class has, the first of them."""
    named = [f"{shown(name)} {count:,}" for name, count in zip(classes, counts, strict=True)]
    more = [f"... ({len(named)} in all)"] if len(named) > CLASSES_SHOWN else []
    return f"Classes: {', '.join([*named[:CLASSES_SHOWN], *more])}"
