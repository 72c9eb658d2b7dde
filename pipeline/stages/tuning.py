"""Tuning of learning rates: every candidate of a point is trained on the tuning seeds, and validation rows choose."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

from pipeline.config.params import Params
from pipeline.config.points import Point
from pipeline.core.fingerprint import fingerprints
from pipeline.core.memo import obtain
from pipeline.core.paths import data_file
from pipeline.core.progress import progress
from pipeline.data.seed_data import seed_data
from pipeline.results.record import finite
from pipeline.results.tuning import RateTrial, Tuning
from pipeline.stages.stored_dataset import load_data

TOGETHER = 20  # candidates whose members are stacked together

Place = TypeVar("Place", bound=Hashable)


def tune(points: Mapping[Place, Sequence[Point]], dataset: str, params: Params, *, jobs: int) -> dict[Place, Tuning]:
    """Try every candidate of every point on the tuning seeds, except those that the memo has; by the points' places.

    The A/A check is the same network, and takes the same learning rate.
    """
    objective, seeds = params.search.objectives[0], list(params.tuning_seeds)
    candidates = {place: [_plain(point) for point in of_point] for place, of_point in points.items()}
    parts = {
        point: ("tuning", objective, point.model_dump(mode="json"), seeds)
        for of_point in candidates.values()
        for point in of_point
    }
    keys = fingerprints(parts, code=["training.fit", "search.objectives"], files=[data_file(dataset)])

    def make(missing: Sequence[Point]) -> Iterator[bytes]:
        return _train(missing, dataset, params, jobs=jobs)

    trials = {point: RateTrial.model_validate_json(content) for point, content in obtain(keys, make)}
    return {
        place: Tuning(objective=objective, trials=tuple(trials[point] for point in of_point))
        for place, of_point in candidates.items()
    }


def chosen(candidates: Sequence[Point], tuning: Tuning) -> Point:
    """The candidate with the learning rate that the tuning seeds chose."""
    return next(point for point in candidates if point.learning_rate == tuning.best.learning_rate)


def _plain(point: Point) -> Point:
    return point.model_copy(update={"replicate": 0})


def _train(points: Sequence[Point], dataset: str, params: Params, *, jobs: int) -> Iterator[bytes]:
    """The trials of candidates, each as soon as it and those before it are trained."""
    from pipeline.search.objectives import by_seed  # noqa: PLC0415
    from pipeline.training.fit import fit_each  # noqa: PLC0415  (torch takes a second to import)
    from pipeline.training.member import Member  # noqa: PLC0415

    pooled, seeds = load_data(dataset), params.tuning_seeds
    data = {seed: seed_data(pooled, seed) for seed in seeds}
    labels = pooled.pool.labels[pooled.splits.validation[seeds]]
    total = sum(point.epochs for point in points) * len(seeds)
    with progress(f"{len(points)} learning rates to try", total, "epochs") as tick:
        groups = [[Member(point, seed) for seed in seeds] for point in points]
        fitted = fit_each(groups, data, together=TOGETHER, jobs=jobs, tick=tick, history=False, splits=("validation",))
        for point, members in zip(points, fitted, strict=True):
            values = by_seed(params.search.objectives[0], members.logits["validation"], labels)
            trial = RateTrial(learning_rate=point.learning_rate, values=tuple(map(finite, values.tolist())))
            yield trial.model_dump_json().encode()
