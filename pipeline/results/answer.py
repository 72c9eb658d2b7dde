"""Answer of a study: validation chooses one point, test is read once, and a sentence says whether to use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.core.errors import InputError
from pipeline.metrics.names import MetricName, Stage
from pipeline.results.study import (
    Answer,
    CalibrationChange,
    Choice,
    Comparison,
    GapClosed,
    PointResult,
    ProtocolSummary,
    StageCalibration,
    StudyResults,
)

HEADLINE = {
    "nll": MetricName("test", "before", "nll"),
    "ece": MetricName("test", "before", "ece"),
    "debiased": MetricName("test", "before", "debiased"),
    "accuracy": MetricName("test", "before", "accuracy"),
    "gap": MetricName("gap", "before", "nll"),
    "nll_ts": MetricName("test", "after", "nll"),
}
_ADDITION: dict[Stage, str] = {"before": "", "after": " after temperature scaling"}


class Notation(NamedTuple):
    """How a sentence writes points' keys and, by a format specification, numbers."""

    name: Callable[[str], str] = str
    number: Callable[[float, str], str] = format


PLAIN = Notation()


class NothingToChooseError(InputError):
    """No point has a finite validation NLL: every one diverged."""


def answer(points: Sequence[PointResult], *, reference: int, protocol: ProtocolSummary) -> Answer:
    """The points chosen by mean validation NLL after temperature scaling and before it, and what test says of them.

    The A/A check cannot be chosen; a tie goes to the unregularized point. The recommendation is "use" only where
    the chosen point's verdict on test is "better", and "leave it unregularized" otherwise. Where seeds resplit one
    data set a row may help to choose in one seed and test in another, which favours the chosen point a little.

    Raises:
        NothingToChooseError: no point has a finite validation NLL.
    """
    after_scaling, plain = (
        _choice(points, stage, reference=points[reference], protocol=protocol) for stage in ("after", "before")
    )
    agree = after_scaling.key == plain.key
    made = Answer(after_scaling=after_scaling, plain=plain, agree=agree, sentence="")
    return made.model_copy(update={"sentence": answer_sentence(made, protocol)})


def answer_sentence(answer: Answer, protocol: ProtocolSummary, notation: Notation = PLAIN) -> str:
    """What to use and why, and what validation would choose without temperature scaling if that is another point."""
    also = f" Without temperature scaling validation would choose {notation.name(answer.plain.key)}."
    return _sentence(answer.after_scaling, "after", protocol, notation) + also * (not answer.agree)


def headline_metrics(results: StudyResults) -> dict[str, dict[str, float | None]]:
    """Means over seeds of the metrics in `HEADLINE`, by point; None where one is missing or not finite."""
    return {point.key: {short: point.mean(metric) for short, metric in HEADLINE.items()} for point in results.points}


def _choice(
    points: Sequence[PointResult], stage: Stage, *, reference: PointResult, protocol: ProtocolSummary
) -> Choice:
    by = MetricName("validation", stage, "nll")
    point, validation = _best(points, by, reference)
    test, gap = point.comparison(by.on("test")), point.comparison(by.on("gap"))
    choice = Choice(
        key=point.key,
        variant=point.variant,
        name=point.name,
        parameters=point.parameters,
        seeds=point.seeds,
        duplicate=point.duplicate,
        chosen_by=by,
        validation=validation,
        recommendation="use" if test and test.verdict == "better" else "leave it unregularized",
        test=test,
        gap_closed=gap.closed if gap else None,
        calibration=CalibrationChange(reference=_calibration(reference), chosen=_calibration(point)),
        at_edge=_at_edge(point, points),
        sentence="",
    )
    return choice.model_copy(update={"sentence": _sentence(choice, stage, protocol, PLAIN)})


def _best(points: Sequence[PointResult], metric: MetricName, reference: PointResult) -> tuple[PointResult, float]:
    """The point with the lowest mean, and that mean; the reference comes first, so that it wins a tie."""
    candidates = {point.key: point for point in [reference, *points] if not point.a_a}
    means = {key: point.mean(metric) for key, point in candidates.items()}
    known = {key: mean for key, mean in means.items() if mean is not None}
    if not known:
        raise NothingToChooseError(f"{metric} must be finite for one point or more, got {means}")
    best = min(known, key=lambda key: known[key])
    return candidates[best], known[best]


def _calibration(point: PointResult) -> StageCalibration:
    return StageCalibration(
        before=point.mean(MetricName("test", "before", "ece")),
        before_floor=point.mean(MetricName("test", "before", "ece_floor")),
        after=point.mean(MetricName("test", "after", "ece")),
        after_floor=point.mean(MetricName("test", "after", "ece_floor")),
    )


def _sentence(choice: Choice, stage: Stage, protocol: ProtocolSummary, notation: Notation) -> str:
    key, seeds, test = notation.name(choice.key), f"n = {choice.seeds} paired seeds", choice.test
    leave, chosen = "Leave it unregularized", f"{key}, chosen on validation,"
    if test is None:
        return f"{leave}: validation NLL{_ADDITION[stage]} prefers the unregularized network; {seeds}."
    if choice.duplicate:
        return f"{leave}: {chosen} is the unregularized network itself; {seeds}."
    if test.left_out or test.difference is None or test.p_better.estimate is None:
        return f"{leave}: {chosen} cannot be compared: {test.left_out}."
    changes = f"test NLL{_ADDITION[stage]} changes by {_effect(test, protocol, notation)}"
    share = f"better in {test.p_better.estimate * choice.seeds:g} of {choice.seeds} seeds"
    if choice.recommendation == "use":
        parts = [f"Use {key}: {changes}, {share}", _closing(choice.gap_closed, stage, notation)]
        parts += _trust(choice.calibration)
        parts += [f"{notation.name(p)} is the strongest tried, so more may be better still" for p in choice.at_edge]
    else:
        parts = [f"{leave}: {chosen} is {_state(test)}", f"{changes}, {share}"]
    return "; ".join([*parts, seeds]) + "."


def _state(test: Comparison) -> str:
    if test.verdict == "worse":
        return "worse on test"
    if test.equivalent:
        return "not meaningfully different on test"
    settled = "more rows, not more seeds, would settle"
    if test.more_seeds is not None:
        settled = f"{test.more_seeds} or so more seeds would settle with even chances"
    return f"not shown to be better on test, which {settled}"


def _effect(test: Comparison, protocol: ProtocolSummary, notation: Notation) -> str:
    widened = ", widened for the rows that seeds share" if protocol.correction != "none" else ""
    ends = _range(notation, "+.4f", test.difference, test.low, test.high)
    return f"{ends} ({protocol.confidence:.0%} interval{widened})"


def _closing(closed: GapClosed | None, stage: Stage, notation: Notation) -> str:
    gap = f"the generalization gap{_ADDITION[stage]}"
    if closed is None or closed.percent is None:
        return f"the share of {gap} that closes cannot be told"
    return f"it closes {_range(notation, '.0f', closed.percent, closed.low, closed.high)} percent of {gap}"


def _at_edge(point: PointResult, points: Sequence[PointResult]) -> tuple[str, ...]:
    """The numeric parameters that have their largest value in the point, of three or more that its variant sweeps."""
    variant = [other.parameters for other in points if other.variant == point.variant and not other.a_a]
    at_edge = []
    for field, value in sorted(point.parameters):
        if isinstance(value, int | float):
            values = {getattr(parameters, field) for parameters in variant}
            if len(values) > 2 and value == max(values):
                at_edge.append(f"{field}={value:g}")
    return tuple(at_edge)


def _trust(calibration: CalibrationChange) -> list[str]:
    reference, chosen = calibration.reference, calibration.chosen
    stages = (
        ("before", reference.before, chosen.before, chosen.before_floor),
        ("after", reference.after, chosen.after, chosen.after_floor),
    )
    changes = [
        f"{plain:.3f} to {value:.3f} {stage} temperature scaling (noise floor {floor:.3f})"
        for stage, plain, value, floor in stages
        if plain is not None and value is not None and floor is not None
    ]
    warning = ["do not trust its probabilities without temperature scaling"] * calibration.is_worse
    return [f"ECE goes from {' and from '.join(changes)}", *warning] if changes else []


def _range(notation: Notation, form: str, *values: float | None) -> str:
    """A number, and the ends of its interval where both are known."""
    centre, *ends = (notation.number(value, form) for value in values if value is not None)
    return f"{centre} [{', '.join(ends)}]" if len(ends) == 2 else centre
