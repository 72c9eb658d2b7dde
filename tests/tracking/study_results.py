"""Finished studies made by hand: means, intervals and verdicts of scores, without the pipeline's statistics."""

import numpy as np
from oracles import tuning

from pipeline.config.points import Point
from pipeline.metrics.names import MetricName
from pipeline.results.dataset import ClassCount, DatasetSummary
from pipeline.results.study import (
    Answer,
    BaseRates,
    CalibrationChange,
    Comparison,
    GapChange,
    Inflation,
    MetricSummary,
    PointResult,
    ProbabilityBetter,
    ProtocolSummary,
    Reference,
    StageCalibration,
    StudyResults,
)

TRAIN = {
    "epochs": 60,
    "batch_size": 64,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "schedule": "constant",
    "momentum": 0.9,
}
DATASET = DatasetSummary(
    name="mixture",
    rows=500,
    features=2,
    feature_names=("x", "y"),
    classes=(ClassCount(name="0", rows=250), ClassCount(name="1", rows=250)),
    seeds=30,
    train=300,
    validation=100,
    test=100,
    overlapping=False,
    md5="abc",
)
PROTOCOL = ProtocolSummary(
    confidence=0.95,
    resamples=200,
    gamma=0.75,
    least_effect=0.005,
    calibrator="temperature scaling",
    seeds=30,
    interval="two standard errors",
    p_better="share of seeds",
    correction="none",
    rho_train=0.0,
    inflation=Inflation(training_rows=0.0, all_rows=0.0, surrogate=0.0),
    multiplicity="none",
    family=1,
)
NO_CALIBRATION = StageCalibration(before=None, before_floor=None, after=None, after_floor=None)


def study_of(
    names: list[tuple[str, str, str | None]],
    parameters: list[dict[str, object]],
    scores: np.ndarray,
    *,
    metrics: tuple[MetricName, ...],
    compared: tuple[MetricName, ...],
    chosen: int,
) -> StudyResults:
    """A study whose metrics all have these scores (points, seeds); the first point is the reference.

    Args:
        names: variant, name and kind of each point.
        parameters: hyperparameters of each point.
        scores: lower is better.
        metrics: that points have.
        compared: those of them that are compared with the reference.
        chosen: index of the answer.
    """
    points = tuple(
        PointResult(
            variant=variant,
            name=name,
            kind=kind,
            parameters=Point(**TRAIN | fields),
            tuning=tuning(values, rate=(TRAIN | fields)["learning_rate"]),
            md5=f"md5 of {name}",
            key=name,
            seeds=scores.shape[1],
            a_a=False,
            duplicate=False,
            learned=True,
            metrics=dict.fromkeys(metrics, summary(values)),
            against_reference=dict.fromkeys(compared, comparison(values, scores[0])) if place else {},
        )
        for place, ((variant, name, kind), fields, values) in enumerate(zip(names, parameters, scores, strict=True))
    )
    return StudyResults(
        dataset=DATASET,
        protocol=PROTOCOL,
        reference=Reference(index=0, key=points[0].key, variant=points[0].variant),
        base_rates=BaseRates(metrics=dict.fromkeys(metrics, summary(np.ones(scores.shape[1]))), against_reference={}),
        points=points,
        ranking={},
        verdict_changes=(),
        answer=answer_of(points[chosen]),
    )


def summary(values: np.ndarray) -> MetricSummary:
    broken = int(np.sum(~np.isfinite(values)))
    mean, low, high = ends(values)
    return MetricSummary(mean=mean, low=low, high=high, not_finite=broken)


def ends(values: np.ndarray) -> tuple[float | None, float | None, float | None]:
    if not np.isfinite(values).all():
        return None, None, None
    mean = float(values.mean())
    if len(values) == 1:
        return mean, None, None
    half = 2 * float(values.std(ddof=1)) / len(values) ** 0.5
    return mean, mean - half, mean + half


def comparison(values: np.ndarray, reference: np.ndarray) -> Comparison:
    with np.errstate(invalid="ignore"):
        mean, low, high = ends(values - reference)
    worse, better = low is not None and low > 0, high is not None and high < 0
    share = None if mean is None else float(np.mean(values < reference))
    return Comparison(
        difference=mean,
        low=low,
        high=high,
        p=None,
        p_holm=None,
        inflation=None,
        freedom=None,
        p_better=ProbabilityBetter(estimate=share, low=share, high=share),
        verdict="worse" if worse else "better" if better else "no evidence",
        equivalent=False,
        more_seeds=None,
        left_out=left_out(values, reference),
    )


def left_out(values: np.ndarray, reference: np.ndarray) -> str | None:
    for whose, of_whom in (("this point", values), ("the reference", reference)):
        broken = np.flatnonzero(~np.isfinite(of_whom))
        if broken.size:
            return f"{broken.size} of {len(of_whom)} seeds of {whose} have no finite value, the first is {broken[0]}"
    return None


def answer_of(point: PointResult) -> Answer:
    return Answer(
        key=point.key,
        variant=point.variant,
        name=point.name,
        parameters=point.parameters,
        seeds=point.seeds,
        duplicate=False,
        learned=True,
        objective="refinement",
        value=0.5,
        recommendation="use",
        test=None,
        gap=GapChange(reference=None, chosen=None),
        calibration=CalibrationChange(reference=NO_CALIBRATION, chosen=NO_CALIBRATION),
        at_edge=(),
        sentence="Use it.",
    )
