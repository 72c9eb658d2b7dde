"""Baselines in MLflow: a run each beside the points of the study, under one that says whether they do better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.config.settings import word
from pipeline.results.baselines import BaselineResult, BaselineResults
from pipeline.results.readable_names import readable, readable_arms
from pipeline.results.study import PointResult, StudyResults
from pipeline.tracking import builder
from pipeline.tracking.builder import Arrays
from pipeline.tracking.runs import RunRecord, Value
from pipeline.tracking.study import experiment
from pipeline.tracking.times import Clock, nobody_knows

LEVEL = "baseline"


def records_of(
    results: StudyResults, made: BaselineResults, arrays: Sequence[Arrays], *, clock: Clock = nobody_knows
) -> list[RunRecord]:
    """A record a baseline, and the one that they are under; none where there are no baselines.

    Args:
        results: the study that they belong to.
        made: the finished table of baselines.
        arrays: each baseline's `score/*`.
        clock: says when each was fitted.
    """
    if not made.baselines:
        return []
    each = [
        replace(_record(results, made, entry, scores), times=clock(entry.md5))
        for entry, scores in zip(made.baselines, arrays, strict=True)
    ]
    return [_parent(results, made), *each]


def _key(dataset: str, name: str = "") -> str:
    """No variant has this name."""
    return f"{dataset}+baselines" + f"/{name}" * bool(name)


def _parent(results: StudyResults, made: BaselineResults) -> RunRecord:
    dataset = results.dataset.name
    listed = ", ".join(
        f"[{readable(each.name)}](record:{_key(dataset, each.name)}) {builder.mean_text(each.metrics[builder.LOSS])} "
        f"({builder.outcome(each)})"
        for each in made.baselines
    )
    return RunRecord(
        key=_key(dataset),
        experiment=experiment(dataset),
        name="baselines",
        description=(
            f"Classifiers of scikit-learn on `{dataset}`, on the splits and seeds of [the study](record:{dataset}), "
            f"one run each, with test NLL after calibration and verdict against no regularization: {listed}."
        ),
        tags={"dataset": dataset, "level": "baselines"},
    )


def _record(results: StudyResults, made: BaselineResults, each: BaselineResult, arrays: Arrays) -> RunRecord:
    dataset, reference = results.dataset.name, results.reference_point
    draft = RunRecord(
        key=_key(dataset, each.name),
        experiment=experiment(dataset),
        name=readable(each.name),
        parent=_key(dataset),
        description=" ".join(
            [
                f"`{each.settings.estimator}` of scikit-learn, fitted on `{dataset}` on {made.seeds} seeds.",
                builder.finding(each, _link(dataset, reference), results.protocol),
                *_against_answer(made, each),
                "All metrics are in `tables/metrics.csv`.",
            ]
        ),
        params={name: _value(value) for name, value in each.settings},
        tags={"level": LEVEL, "dvc.md5.members": each.md5},
        metrics=[
            metric
            for compared in (each.against_answer.get(builder.LOSS),)
            if compared is not None
            for metric in builder.changes("answer", builder.LOSS, compared)
        ],
    )
    return builder.point_run(draft, results, each, arrays)


def _link(dataset: str, point: PointResult) -> str:
    return f"[{readable(point.key)}](record:{dataset}/{point.variant}/{point.name})"


def _against_answer(made: BaselineResults, each: BaselineResult) -> Iterator[str]:
    compared = each.against_answer.get(builder.LOSS)
    if made.answer is not None and compared is not None and not compared.left_out:
        change = builder.change_text(compared.difference, compared.low, compared.high)
        yield (
            f"Against the answer of the search, {readable_arms(made.answer.name)}, NLL after calibration changes by "
            f"{change}, verdict: **{compared.finding}**."
        )


def _value(value: object) -> Value:
    """Numbers as they are, switches as 0 and 1, and all else as params.yaml has it."""
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, int | float) else "null" if value is None else word(value)
