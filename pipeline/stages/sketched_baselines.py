"""Baselines of a sketch: ordinary classifiers on as many of its splits as a few seconds allow."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config.baselines import Baseline
from pipeline.core import parallel
from pipeline.core.arrays import read_arrays
from pipeline.core.paths import champion_file
from pipeline.data.seed_data import SeedData, seed_data
from pipeline.stages.stored_dataset import load_data

if TYPE_CHECKING:
    from pipeline.results.search import SearchResults

_MOST_SPLITS = 5


def losses_beside(
    dataset: str, rows: Mapping[str, Baseline], results: SearchResults, *, seconds: float, jobs: int
) -> dict[str, tuple[float, ...]]:
    """Test NLL after calibration, by split: of every baseline, of the answer, and of no regularization.

    The first split is always there; another one is where it is thought to fit into the time.
    """
    pooled, start = load_data(dataset), monotonic()
    found: list[list[float]] = []
    for seed in range(min(_MOST_SPLITS, results.results.protocol.seeds)):
        if seed and (monotonic() - start) * (seed + 1) / seed > seconds:
            break
        data = seed_data(pooled, seed)
        tasks = [(row, seed, data) for row in rows.values()]
        found.append(list(parallel.results(_loss, tasks, arguments=lambda task: task, jobs=jobs)))
    by_name = dict(zip(rows, zip(*found, strict=True), strict=True))
    return {**by_name, **_of_networks(dataset, results, splits=len(found))}


def _loss(row: Baseline, seed: int, data: SeedData) -> float:
    """What a baseline's probabilities of test rows lose, calibrated on validation rows: the work of one worker."""
    from pipeline.calibration.calibrator import calibrate, fit_calibrator  # noqa: PLC0415
    from pipeline.metrics.predictions import Predictions  # noqa: PLC0415
    from pipeline.metrics.proper_scores import negative_log_likelihood  # noqa: PLC0415
    from pipeline.models.baselines import fit, logits_of, make  # noqa: PLC0415  (scikit-learn takes a second)

    estimator = fit(make(row, seed), data.features["train"], data.labels["train"])
    validation, test = (logits_of(estimator, data.features[split], data.classes) for split in ("validation", "test"))
    calibrated = calibrate(test, fit_calibrator(validation, data.labels["validation"]))
    return float(negative_log_likelihood(Predictions.from_logits(calibrated, data.labels["test"])))


def _of_networks(dataset: str, results: SearchResults, *, splits: int) -> dict[str, tuple[float, ...]]:
    """The same of the unregularized network and of the answer."""
    from pipeline.results.answer import LOSS  # noqa: PLC0415

    table = results.results
    named = {"no regularization": table.reference_point, "the answer": table.point(table.answer.key)}
    losses = {}
    for name, point in named.items():
        arrays, _ = read_arrays(champion_file(dataset, point.kind or "", point.name))
        losses[name] = tuple(np.asarray(arrays[f"score/{LOSS}"][:splits], dtype=np.float64).tolist())
    return losses
