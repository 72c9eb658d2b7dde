"""Metrics of a cell: scores of its predictions under every condition, bias and variance, and statistics of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration.label_smoothing import desmooth, smoothing_error
from pipeline.core.determinism import require_pinned
from pipeline.core.rng import Purpose, generator
from pipeline.data.dataset import Dataset, test_posterior
from pipeline.data.seed_data import SeedData
from pipeline.data.splits import SPLITS, overlapping
from pipeline.evaluation.members import test_groups
from pipeline.evaluation.score import score_members
from pipeline.metrics.calibration_error import resampling_uniforms
from pipeline.metrics.probabilities import log_softmax
from pipeline.textbook import weight_statistics
from pipeline.textbook.bias_variance import brier_parts, log_loss_parts
from pipeline.training.member import Fitted

if TYPE_CHECKING:
    from pipeline.config.claims import Cell, Experiment
    from pipeline.config.points import Point

Arrays = dict[str, NDArray[Any]]
Floats = NDArray[np.floating[Any]]
Data = Mapping[int, SeedData]
DESMOOTHED = "desmoothed"
LOG_LOSSES = ("nll", "refinement", "calibration", "excess_kl")
UNCHECKED = "ece_p"  # it needs many resamples, and no claim is about a p value
GRADIENT_ROWS = 256  # validation rows, at most, over which the gradient by inputs is averaged
SAMPLED_ROWS = 1000  # test rows, at most, for which dropout masks are sampled
ABLATED = 0.5  # of the hidden units are missing where co-adaptation is measured
DAMAGE, DAMAGED = "damage", ("nll", "accuracy")  # its condition, and metrics
MASKED = ("sampled", "geometric", "masked")  # conditions of cells with dropout


@dataclass(frozen=True)
class Predictions:
    """What a cell's members predict, and the truth.

    Attributes:
        logits: train, validation, test, and the test rows under other conditions, (seed, row, class) each; a
            condition may have the first test rows only.
        labels: of train, validation and test, (seed, row).
        posterior: true class probabilities (row, class) of test rows that all seeds share, or None.
        groups: of test rows (seed, row), the same rows together for all seeds; None where there are too few.
        label_smoothing: that the members were trained with.
    """

    logits: Mapping[str, Floats]
    labels: Mapping[str, NDArray[np.int64]]
    posterior: NDArray[np.float64] | None
    groups: NDArray[np.int64] | None
    label_smoothing: float


def member_statistics(cell: Cell, fitted: Fitted, data: Data, experiment: Experiment) -> Arrays:
    """`history/<metric>` (seed, epoch), the epoch that was kept, and statistics of the weights, (seed,) each."""
    arrays: Arrays = {"score/kept/epoch": fitted.epochs.astype(np.float64)}
    if experiment.history:
        arrays |= {f"history/{name}": values for name, values in fitted.history.items()}
    if experiment.weights:
        inputs = np.stack([each.features["validation"][:GRADIENT_ROWS] for each in data.values()])
        network = (cell.point, inputs.shape[-1], data[0].classes, fitted.weights)
        arrays["score/weights/norm"] = weight_statistics.weight_norms(*network)
        arrays["score/validation/input_gradient"] = weight_statistics.input_gradient(*network, inputs)
    return arrays


def predictions_of(cell: Cell, fitted: Fitted, data: Data, experiment: Experiment, dataset: Dataset) -> Predictions:
    """What a cell's members predict, those of the mean over dropout masks included where the experiment wants them."""
    seeds = list(data)
    logits: dict[str, Floats] = dict(fitted.logits)
    if experiment.samples:
        logits |= _with_masks(cell, fitted, data, experiment.samples)
    posterior = None if overlapping(dataset.splits) else test_posterior(dataset, seeds[:1])
    return Predictions(
        logits=logits,
        labels={split: np.stack([each.labels[split] for each in data.values()]) for split in SPLITS},
        posterior=None if posterior is None else posterior[0],
        groups=test_groups(dataset, seeds),
        label_smoothing=cell.label_smoothing,
    )


def prediction_scores(predictions: Predictions) -> Arrays:
    """`score/<metric>` (seed,) and `group/<metric>` (seed, group) of a cell, all metrics that are not `costly`.

    Test metrics are there for every condition, `test~0.5/nll` for example. Where label smoothing was on, the condition
    `desmoothed` takes it out of the probabilities exactly; `damage` is `ablated` minus `scaled`. Where the posterior is
    known, `bias/` and `variance/` of nll and brier are jackknife pseudo-values, whose mean over seeds is the estimate,
    and `theory/smoothing_error` is the calibration error of the optimum that label smoothing aims at.

    Raises:
        InputError: the environment is not pinned.
    """
    require_pinned()
    test, posterior = predictions.logits["test"], predictions.posterior
    scored = score_members(
        {split: predictions.logits[split] for split in SPLITS},
        predictions.labels,
        None if posterior is None else np.broadcast_to(posterior, (len(test), *posterior.shape)),
        uniforms=resampling_uniforms(generator(0, Purpose.CALIBRATION), resamples=1, rows=test.shape[1]),
        groups=predictions.groups,
        conditions=_conditions(predictions),
        costly=False,
    )
    scores = {
        f"{kind}/{name}": values
        for kind, metrics in (("score", scored.scores), ("group", scored.groups))
        for name, values in metrics.items()
        if not name.endswith(UNCHECKED) and not _meaningless(name)
    }
    scores |= _damage(scores)
    if posterior is not None:
        scores |= _against_truth(test, posterior, predictions.label_smoothing)
    return scores


def _damage(scores: Arrays) -> Arrays:
    """By how much each metric rises when half of the hidden units are missing, over seeds and groups of rows."""
    return {
        name.replace("ablated", DAMAGE): values - scores[name.replace("ablated", "scaled")]
        for name, values in scores.items()
        if name.split("/")[1] == "ablated" and name.split("/")[2] in DAMAGED
    }


def as_logits(probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of probabilities, of which one that is 0 counts as the smallest normal float32."""
    logits: NDArray[np.float64] = np.log(np.maximum(probs, np.finfo(np.float32).tiny))
    return logits


def _with_masks(cell: Cell, fitted: Fitted, data: Data, samples: int) -> dict[str, Floats]:
    """Logits of the first test rows under dropout masks, and without: means over masks, one mask, half the units gone.

    Without dropout only what is left without half of the hidden units (`ablated`), which needs no dropout in training.
    """
    inputs = np.stack([each.features["test"][:SAMPLED_ROWS] for each in data.values()])

    def masked(point: Point, samples: int) -> weight_statistics.MaskMeans:
        return weight_statistics.monte_carlo(
            point, list(data), fitted.weights, inputs, samples=samples, classes=data[0].classes
        )

    ablated = cell.point.model_copy(update={"dropout": ABLATED, "input_dropout": 0.0})
    logits: dict[str, Floats] = {
        "scaled": fitted.logits["test"][:, :SAMPLED_ROWS],
        "ablated": as_logits(masked(ablated, 1).arithmetic),
    }
    if cell.dropout:
        means = masked(cell.point, samples)
        logits |= {"sampled": as_logits(means.arithmetic), "geometric": as_logits(means.geometric)}
        logits["masked"] = as_logits(masked(cell.point, 1).arithmetic)
    return logits


def _conditions(predictions: Predictions) -> dict[str, Floats]:
    conditions = {name: values for name, values in predictions.logits.items() if name not in SPLITS}
    if predictions.label_smoothing:
        probs = desmooth(np.exp(log_softmax(predictions.logits["test"])), predictions.label_smoothing)
        conditions[DESMOOTHED] = as_logits(probs)
    return conditions


def _meaningless(name: str) -> bool:
    """Of probabilities that may be exactly 0 there is no log-loss, and a temperature of others says nothing."""
    stage, metric = name.split("/")
    return stage.startswith(DESMOOTHED) and (stage != DESMOOTHED or metric in LOG_LOSSES)


def _against_truth(logits: Floats, posterior: NDArray[np.float64], epsilon: float) -> Arrays:
    log_probs = np.ascontiguousarray(log_softmax(logits))
    parts = {"nll": log_loss_parts(log_probs, posterior), "brier": brier_parts(np.exp(log_probs), posterior)}
    arrays = {f"score/bias/{loss}": part.bias for loss, part in parts.items()}
    arrays |= {f"score/variance/{loss}": part.variance for loss, part in parts.items()}
    return arrays | {"score/theory/smoothing_error": np.full(len(logits), smoothing_error(posterior, epsilon))}
