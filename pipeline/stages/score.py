"""The command `score`: how well any model's probabilities are calibrated, from a table of its predictions."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from pipeline.config.costs import cost_matrix
from pipeline.config.flags import given_by
from pipeline.core.errors import InputError
from pipeline.core.files import part_beside
from pipeline.data.options import Reading
from pipeline.data.tables.chunks import STANDARD_INPUT
from pipeline.data.tables.delimited import read_delimited
from pipeline.data.tables.messages import one_line, plural
from pipeline.data.tables.predicted import Groups, Predicted, read_groups, read_predicted
from pipeline.data.tables.probability_columns import Wanted
from pipeline.data.tables.reading import read_table
from pipeline.data.tables.table import Table

if TYPE_CHECKING:
    from pipeline.evaluation.one_model import ModelReport, OneModel
    from pipeline.evaluation.trust import Trust
    from pipeline.reporting.sections import Picture

_WIDTH = 120


def score(  # noqa: PLR0913  (an option of the command each)
    *,
    file: str,
    target: str,
    probability: str | None,
    positive: str | None,
    prefix: str | None,
    percent: bool,
    group: str | None,
    page: str | None,
    cost: list[list[str]],
    threshold: float | None,
    **flags: object,
) -> str:
    """Score a table of predictions; nothing is written but a page, where one is asked for.

    Raises:
        InputError: the table cannot be used as it is, or the page's place is taken by something else.
    """
    path = None if page is None else _page(Path(page))
    name, wanted = _name(file), Wanted(prefix, probability, positive)
    head, predicted, groups = _read(file, given_by(flags), wanted, target=target, percent=percent, group=group)
    costs = _costs(cost, predicted.classes, threshold)
    model, report = _scored(predicted, groups)
    from pipeline.evaluation.trust import trust  # noqa: PLC0415  (numpy and scipy, once all is known to be right)

    trusted = trust(report)
    if path is not None:
        _write_page(path, name, predicted, model, report, trusted, group or "")
    written = f"\n{path}: all of this on a page, with reliability diagrams" if path is not None else ""
    lines = [
        f"{name}: {head}",
        *_said(predicted, report, trusted, group or ""),
        *_decided(model, report, costs, threshold),
    ]
    return "\n".join(lines) + written


def _costs(cost: Sequence[Sequence[str]], classes: Sequence[str], threshold: float | None) -> list[list[float]] | None:
    """What deciding costs (truth, decision), where something is said of it or a threshold is stated.

    Raises:
        InputError: a class or a number cannot be used, or a threshold is stated where there are more than two classes.
    """
    if threshold is not None and len(classes) != 2:
        raise InputError(f"--threshold: must be of one of two classes, got {len(classes)} classes")
    named: dict[str, dict[str, float]] = {}
    for truth, decision, number in cost:
        try:
            named.setdefault(truth, {})[decision] = float(number)
        except ValueError:
            raise InputError(f"--cost {truth} {decision}: must be a number, got {number!r}") from None
    return cost_matrix(named, classes, "--cost") if cost or threshold is not None else None


def _decided(
    model: OneModel, report: ModelReport, costs: list[list[float]] | None, threshold: float | None
) -> Iterator[str]:
    """What deciding by each rule costs, where costs are known."""
    import numpy as np  # noqa: PLC0415

    from pipeline.evaluation.decisions import decisions_of  # noqa: PLC0415
    from pipeline.reporting.table import terminal  # noqa: PLC0415
    from pipeline.reporting.text.decisions import decisions_table  # noqa: PLC0415

    if costs is None:
        return
    decided = list(decisions_of(model, np.array(costs), threshold=threshold))
    table = decisions_table(decided, report.classes, title="What decisions cost", caption="")
    if table is not None:
        yield f"\n{terminal(table, color=sys.stdout.isatty()).rstrip()}"
    yield fill("Intervals take rows as independent; calibrators and tuned thresholds are those of other rows.", _WIDTH)


def _name(file: str) -> str:
    return "standard input" if file == STANDARD_INPUT else one_line(file)


def _page(path: Path) -> Path:
    """Where the page goes.

    Raises:
        InputError: it is no .html, or there is a file that no `score` has written.
    """
    from pipeline.reporting.one_model import GENERATOR  # noqa: PLC0415

    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--page: must end in .html; got {one_line(path)!r}")
    if not path.parent.is_dir():
        raise InputError(f"--page: folder {one_line(path.parent)!r} must exist")
    if path.exists() and not (path.is_file() and GENERATOR.encode() in path.read_bytes()[:2000]):
        raise InputError(
            f"{one_line(path)}: is no page of `score` and is left alone; move it, or choose another --page"
        )
    return path


def _read(
    file: str, given: dict[str, object], wanted: Wanted, *, target: str, percent: bool, group: str | None
) -> tuple[str, Predicted, Groups | None]:
    """How large the table is, its predictions and its groups of rows."""
    table = _table(file, Reading.model_validate(given), target)
    head = f"{plural(len(table.frame), 'row')}, {plural(len(table.frame.columns), 'column')}"
    predicted = read_predicted(table, wanted, target=target, percent=percent, group=group)
    return head, predicted, None if group is None else read_groups(table, group)


def _table(file: str, reading: Reading, target: str) -> Table:
    if file != STANDARD_INPUT:
        return read_table(Path(file), reading, target=target)
    content = sys.stdin.buffer.read()
    if not content:
        raise InputError(f"{_name(file)}: must not be empty; got 0 bytes")
    return read_delimited(content, _name(file), reading, target)


def _scored(predicted: Predicted, groups: Groups | None) -> tuple[OneModel, ModelReport]:
    from pipeline.evaluation.one_model import OneModel, report  # noqa: PLC0415

    model = OneModel(predicted.probs, predicted.labels)
    if groups is None:
        return model, report(model, predicted.classes)
    return model, report(model, predicted.classes, groups.names, groups.numbers)


def _said(predicted: Predicted, report: ModelReport, trusted: Trust, group: str) -> Iterator[str]:
    """What was found, the tables, and whether the probabilities can be trusted."""
    from pipeline.reporting.table import terminal  # noqa: PLC0415
    from pipeline.reporting.text import one_model, trust  # noqa: PLC0415

    color = sys.stdout.isatty()
    for remark in (*predicted.remarks, one_model.counted(predicted.classes, report.counts)):
        yield fill(remark, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    tables = [one_model.scores_table(report)]
    tables += [one_model.classes_table(report, most=one_model.CLASSES_SHOWN)] if report.each else []
    tables += [one_model.groups_table(report, group)] if report.groups else []
    for table in tables:
        yield f"\n{terminal(table, color=color).rstrip()}"
    yield ""
    yield from (fill(each, _WIDTH) for each in trust.closing(report, trusted))


def _write_page(
    path: Path, name: str, predicted: Predicted, model: OneModel, report: ModelReport, trusted: Trust, group: str
) -> None:
    from pipeline.reporting.one_model import Spoken, model_page  # noqa: PLC0415
    from pipeline.reporting.text import trust  # noqa: PLC0415

    closing = list(trust.closing(report, trusted))
    spoken = Spoken(name, predicted.remarks, closing, group)
    _replace(path, model_page(report, spoken, _picture(model, report, name)).encode())


def _picture(model: OneModel, report: ModelReport, name: str) -> Picture:
    from pipeline.calibration.calibrator import calibrator_name  # noqa: PLC0415
    from pipeline.evaluation.event_diagram import event_diagram  # noqa: PLC0415
    from pipeline.evaluation.one_model import headline  # noqa: PLC0415
    from pipeline.reporting.figures import canvas, one_model  # noqa: PLC0415
    from pipeline.reporting.sections import Picture  # noqa: PLC0415
    from pipeline.reporting.text.one_model import axes_names, errors  # noqa: PLC0415

    titles = ("As given", f"After {calibrator_name(len(report.classes))}")
    sides = zip(titles, (report.given, report.calibrated), (model.given, model.calibrated), strict=True)
    given, calibrated = (
        one_model.Panel(title, errors(report, scores), event_diagram(headline(predictions)))
        for title, scores, predictions in sides
    )
    with canvas.styled():
        event = one_model.Event(*axes_names(report))
        drawing = one_model.reliability_pair((given, calibrated), event, f"{name}: {report.rows:,} rows.")
        return Picture(svg=canvas.forms(drawing).bare.decode(), caption=drawing.caption)


def _replace(path: Path, content: bytes) -> None:
    """Write a file of the user's choice in one step: a failure leaves the old one, and no part of the new one.

    Raises:
        OSError: the disk is full or the folder cannot be written (with `path` as its filename).
    """
    with part_beside(path, content) as part:
        part.replace(path)
