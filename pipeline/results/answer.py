"""Answer of a study: the tuning seeds choose one point, test is read once, and a sentence says whether to use it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.core.errors import InputError
from pipeline.metrics.names import MetricName, Stage
from pipeline.results.study import (
    Answer,
    CalibrationChange,
    Comparison,
    GapChange,
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
    "nll_calibrated": MetricName("test", "after", "nll"),
}
LOSS = MetricName("test", "after", "nll")


class Notation(NamedTuple):
    """How a sentence writes points' keys and, by a format specification, numbers."""

    name: Callable[[str], str] = str
    number: Callable[[float, str], str] = format


PLAIN = Notation()


class NothingToChooseError(InputError):
    """No point has a finite objective on the tuning seeds: every one diverged."""


def answer(points: Sequence[PointResult], *, reference: int, protocol: ProtocolSummary) -> Answer:
    """The point with the best objective on the tuning seeds, and what test says of it on the study's own seeds.

    Neither the A/A check nor, unless all else has diverged, a point that has learned nothing can be chosen; a tie goes
    to the unregularized point.
    The recommendation is "use" only where the chosen point's verdict on test is "better" and the whole interval lies
    beyond the smallest effect that is worth it, and "leave it unregularized" otherwise. Where seeds resplit one data
    set a row may help to choose in one seed and test in another, which favours the chosen point a little.

    Raises:
        NothingToChooseError: no point has a finite objective.
    """
    plain = points[reference]
    point = _best(points, plain)
    test = point.comparison(LOSS)
    made = Answer(
        key=point.key,
        variant=point.variant,
        name=point.name,
        parameters=point.parameters,
        seeds=point.seeds,
        duplicate=point.duplicate,
        learned=any(each.learned for each in points if not each.a_a),
        objective=point.tuning.objective,
        value=point.tuning.best.mean,
        recommendation="use" if test and _is_worth_it(test, protocol) else "leave it unregularized",
        test=test,
        gap=GapChange(reference=plain.mean(HEADLINE["gap"]), chosen=point.mean(HEADLINE["gap"])),
        calibration=CalibrationChange(reference=_calibration(plain), chosen=_calibration(point)),
        at_edge=_at_edge(point, points),
        sentence="",
    )
    return made.model_copy(update={"sentence": answer_sentence(made, protocol)})


def headline_metrics(results: StudyResults) -> dict[str, dict[str, float | None]]:
    """Means over seeds of the metrics in `HEADLINE`, by point; None where one is missing or not finite."""
    return {point.key: {short: point.mean(metric) for short, metric in HEADLINE.items()} for point in results.points}


def _best(points: Sequence[PointResult], reference: PointResult) -> PointResult:
    """The candidate with the lowest objective; the reference comes first, so that it wins a tie.

    What has learned nothing is a candidate only where everything else has diverged.
    """
    others = [point for point in points if not point.a_a and point.key != reference.key]
    for candidates in ([point for point in others if point.learned], others):
        best = min([reference, *candidates], key=lambda point: point.tuning.best.mean)
        if math.isfinite(best.tuning.best.mean):
            return best
    raise NothingToChooseError(f"{reference.tuning.objective} must be finite for one point or more, got none")


def _calibration(point: PointResult) -> StageCalibration:
    def mean(stage: Stage, metric: str) -> float | None:
        return point.mean(point.decisive(MetricName("test", stage, metric)))

    return StageCalibration(
        before=mean("before", "ece"),
        before_floor=mean("before", "ece_floor"),
        after=mean("after", "ece"),
        after_floor=mean("after", "ece_floor"),
    )


def answer_sentence(answer: Answer, protocol: ProtocolSummary, notation: Notation = PLAIN) -> str:
    """What to use and why."""
    key, seeds, test = notation.name(answer.key), f"n = {answer.seeds} paired seeds", answer.test
    leave, chosen = "Leave it unregularized", f"{key}, chosen on validation,"
    if not answer.learned:
        return f"{leave}: nothing is shown to predict validation rows better than the class frequencies do; {seeds}."
    if test is None:
        return f"{leave}: validation prefers the unregularized network; {seeds}."
    if answer.duplicate:
        return f"{leave}: {chosen} is the unregularized network itself; {seeds}."
    if test.left_out or test.difference is None or test.p_better.estimate is None:
        return f"{leave}: {chosen} cannot be compared: {test.left_out}."
    changes = f"test NLL after calibration ({protocol.calibrator}) changes by {_effect(test, protocol, notation)}"
    share = f"better in {test.p_better.estimate * answer.seeds:g} of {answer.seeds} seeds"
    if answer.recommendation == "use":
        rate = notation.number(answer.parameters.learning_rate, "g")
        parts = [f"Use {key} at learning rate {rate}: {changes}, {share}", *_gap(answer.gap)]
        parts += _trust(answer.calibration)
        parts += [f"{notation.name(p)} is at the end of those tried, so there may be better" for p in answer.at_edge]
    else:
        parts = [f"{leave}: {chosen} is {_state(test, protocol)}", f"{changes}, {share}"]
    return "; ".join([*parts, seeds]) + "."


def _is_worth_it(test: Comparison, protocol: ProtocolSummary) -> bool:
    return test.verdict == "better" and test.high is not None and test.high <= -protocol.least_effect


def _state(test: Comparison, protocol: ProtocolSummary) -> str:
    if test.verdict == "better":
        return f"better on test, but not shown to be so by {protocol.least_effect:g} nats"
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


def _gap(gap: GapChange) -> list[str]:
    if gap.reference is None or gap.chosen is None:
        return []
    return [f"the generalization gap is {gap.chosen:.3f} as trained ({gap.reference:.3f} without regularization)"]


def _at_edge(point: PointResult, points: Sequence[PointResult]) -> tuple[str, ...]:
    """Parameters with the largest value of three or more in the point's variant, and a learning rate at an end."""
    variant = [other.given for other in points if other.variant == point.variant and not other.a_a]
    at_edge = []
    for field, value in sorted(point.given.items()):
        if isinstance(value, int | float):
            values = {number for given in variant if isinstance(number := given.get(field), int | float)}
            if len(values) > 2 and value == max(values):
                at_edge.append(f"{field}={value:g}")
    return (*at_edge, *[f"learning_rate={point.parameters.learning_rate:g}"] * point.tuning.at_edge)


def _trust(calibration: CalibrationChange) -> list[str]:
    reference, chosen = calibration.reference, calibration.chosen
    stages = (
        ("before", reference.before, chosen.before, chosen.before_floor),
        ("after", reference.after, chosen.after, chosen.after_floor),
    )
    changes = [
        f"{plain:.3f} to {value:.3f} {stage} calibration (noise floor {floor:.3f})"
        for stage, plain, value, floor in stages
        if plain is not None and value is not None and floor is not None
    ]
    warning = ["do not trust its probabilities without calibration"] * calibration.is_worse
    return [f"ECE goes from {' and from '.join(changes)}", *warning] if changes else []


def _range(notation: Notation, form: str, *values: float | None) -> str:
    """A number, and the ends of its interval where both are known."""
    centre, *ends = (notation.number(value, form) for value in values if value is not None)
    return f"{centre} [{', '.join(ends)}]" if len(ends) == 2 else centre
