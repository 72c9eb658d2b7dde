"""How good one model's probabilities are: scores with intervals over rows, what calibration gains, classes, groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pipeline.calibration.calibrator import FOLDS, Calibrator, calibrate, fit_calibrator
from pipeline.core.rng import Purpose, generator
from pipeline.metrics.calibration_error import debiased_classwise_calibration_error, debiased_error
from pipeline.metrics.calibration_inference import calibration_test, debiased_interval
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import Floats, Ints, pick
from pipeline.metrics.proper_scores import brier_score, negative_log_likelihood
from pipeline.metrics.ranking import Ranked, rank
from pipeline.results.event_scores import Estimate, EventScores
from pipeline.results.reliability import wilson
from pipeline.statistics.intervals import mean_interval
from pipeline.statistics.paired_comparison import holm

_TINY = float(np.finfo(np.float64).tiny)
FEWEST_ROWS = 50
"""Of a group whose calibration is looked at."""


@dataclass(frozen=True)
class ModelScores:
    """Scores of probabilities.

    Attributes:
        accuracy: share of rows whose largest probability is that of the class.
        nll: mean log-loss, nats; a probability of 0 counts as `ModelReport.zero`.
        brier: multiclass Brier score, 0 to 2.
        event: of class 1 of two, or of the top label where there are more.
        top: of the top label.
        classwise: debiased squared calibration error of every class, averaged.
    """

    accuracy: Estimate
    nll: Estimate
    brier: Estimate
    event: EventScores
    top: EventScores
    classwise: float


@dataclass(frozen=True)
class Group:
    """Scores of a group of rows; its calibration where there are enough of them."""

    name: str
    rows: int
    accuracy: Estimate
    nll: Estimate
    brier: Estimate
    event: EventScores | None


@dataclass(frozen=True)
class ModelReport:
    """All that is said of one model's probabilities.

    Attributes:
        classes: names.
        counts: rows of each class.
        given: scores of the probabilities as they are.
        calibrated: of what a calibrator makes of them that was fitted on other rows.
        gain: NLL after calibration minus before, paired by row; below 0 where calibration helps.
        calibrator: fitted on all rows.
        base_nll: NLL of the class frequencies of these rows.
        against_base: NLL as given minus that, paired by row; below 0 where the model says more.
        base_brier: their Brier score.
        impossible: rows whose class had a probability of 0: the NLL is infinite where there are some.
        zero: what 0 counts as where its logarithm is needed; see `OneModel.zero`.
        each: the probabilities of every class; none of two, whose errors are those of class 1.
        groups: of rows.
    """

    classes: tuple[str, ...]
    counts: tuple[int, ...]
    given: ModelScores
    calibrated: ModelScores
    gain: Estimate
    calibrator: Calibrator
    base_nll: float
    against_base: Estimate
    base_brier: float
    impossible: tuple[int, ...]
    zero: float
    each: tuple[EventScores, ...]
    groups: tuple[Group, ...] = ()

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(self.counts)


@dataclass(frozen=True, eq=False)
class OneModel:
    """One model's predictions: `probs` (row, class), whose rows sum to 1, with `labels` (row,)."""

    probs: Floats
    labels: Ints

    @cached_property
    def zero(self) -> float:
        """What a probability of 0 counts as: half of the smallest other one, and no more than half a row of all.

        So few rows cannot tell less from 0, and the order of probabilities stays. Much less, such as the smallest
        number that a computer knows, would let a single row decide the NLL and every calibrator.
        """
        smallest = min(float(np.min(column, where=column > 0, initial=1.0)) for column in self.probs.T)
        return max(_TINY, 0.5 * min(smallest, 1.0 / len(self.labels)))

    @cached_property
    def logits(self) -> Floats:
        """Logarithms of the probabilities, of which none is infinite."""
        return np.log(np.where(self.probs > 0, self.probs, self.zero))

    @cached_property
    def given(self) -> Predictions:
        """The predictions as they are."""
        predictions = Predictions.from_probabilities(self.probs, self.labels)
        return replace(predictions, log_probs=self.logits)

    @cached_property
    def calibrated(self) -> Predictions:
        """Predictions of every fold of rows, by a calibrator fitted on the others; row i is of fold i modulo 5."""
        logits = np.empty_like(self.logits)
        fold = np.arange(len(self.labels)) % FOLDS
        for number in range(FOLDS):
            inside = fold == number
            fitted = fit_calibrator(self.logits[~inside], self.labels[~inside])
            logits[inside] = calibrate(self.logits[inside], fitted)
        return Predictions.from_logits(logits, self.labels)

    @cached_property
    def losses(self) -> tuple[Floats, Floats]:
        """Log-loss of every row, before and after calibration."""
        return row_losses(self.given), row_losses(self.calibrated)


def row_losses(predictions: Predictions) -> Floats:
    """Log-loss `(n,)` of every row: each is a stack of its own."""
    return negative_log_likelihood(_row_by_row(predictions))


def report(
    model: OneModel, classes: tuple[str, ...], groups: Sequence[str] = (), numbers: Ints | None = None
) -> ModelReport:
    """Score one model's probabilities.

    Args:
        model: its predictions.
        classes: their names.
        groups: names of groups of rows, if any.
        numbers: `(n,)` each row's place among them.
    """
    counts = np.bincount(model.labels, minlength=len(classes))
    rates = counts / counts.sum()
    base = -np.log(np.where(rates > 0, rates, 1.0))[model.labels]
    before, after = model.losses
    return ModelReport(
        classes=classes,
        counts=tuple(counts.tolist()),
        given=_scores(model.given, before),
        calibrated=_scores(model.calibrated, after),
        gain=_mean(after - before),
        calibrator=fit_calibrator(model.logits, model.labels),
        base_nll=float(np.mean(base)),
        against_base=_mean(before - base),
        base_brier=float(1.0 - np.sum(np.square(rates))),
        impossible=tuple(np.flatnonzero(pick(model.probs, model.labels) == 0).tolist()),
        zero=model.zero,
        each=_each_class(model.given) if len(classes) > 2 else (),
        groups=() if numbers is None else _groups(model.given, before, groups, numbers),
    )


def headline(predictions: Predictions) -> Ranked:
    """The event that is looked at first: class 1 of two, else the top label."""
    return predictions.ranked_class_one if predictions.probs.shape[-1] == 2 else predictions.ranked


def _scores(predictions: Predictions, losses: Floats) -> ModelScores:
    event = _event(headline(predictions))
    top = event if predictions.probs.shape[-1] > 2 else _event(predictions.ranked)
    return ModelScores(
        *_proper(predictions, losses), event, top, float(debiased_classwise_calibration_error(predictions))
    )


def _proper(predictions: Predictions, losses: Floats) -> tuple[Estimate, Estimate, Estimate]:
    """Accuracy, NLL and Brier score."""
    n, share = len(losses), float(np.mean(predictions.correct))
    ends = wilson(np.array(share), np.array(n))
    accuracy = Estimate(share, float(ends.low), float(ends.high))
    return accuracy, _mean(losses), _mean(brier_score(_row_by_row(predictions)))


def _row_by_row(predictions: Predictions) -> Predictions:
    """The same rows, each as a member of a stack that has one row."""
    return Predictions(predictions.probs[:, None], predictions.log_probs[:, None], predictions.labels[:, None])


def _mean(rows: Floats) -> Estimate:
    centre = mean_interval(rows)
    return Estimate(float(centre.mean), float(centre.low), float(centre.high))


def _event(ranked: Ranked) -> EventScores:
    tested = calibration_test(ranked, generator(0, Purpose.CALIBRATION))
    return EventScores(
        rows=len(ranked.correct),
        rate=float(np.mean(ranked.correct)),
        bias=_mean(ranked.confidence - ranked.correct),
        error=tested.error,
        floor=tested.floor,
        p=tested.p,
        debiased=Estimate(float(debiased_error(ranked)), *debiased_interval(ranked)),
    )


def _each_class(predictions: Predictions) -> tuple[EventScores, ...]:
    """Every class against the rest, one at a time to spare memory."""
    events = (rank(predictions.probs[:, k], predictions.labels == k) for k in range(predictions.probs.shape[-1]))
    return _adjusted([_event(event) for event in events])


def _adjusted(events: Sequence[EventScores]) -> tuple[EventScores, ...]:
    """The same events, with p values adjusted for their number."""
    p = holm(np.array([event.p for event in events]))
    return tuple(replace(event, p=float(value)) for event, value in zip(events, p, strict=True))


def _groups(given: Predictions, losses: Floats, names: Sequence[str], numbers: Ints) -> tuple[Group, ...]:
    groups = []
    for number, name in enumerate(names):
        rows = np.flatnonzero(numbers == number)
        part = Predictions(given.probs[rows], given.log_probs[rows], given.labels[rows])
        event = _event(headline(part)) if len(rows) >= FEWEST_ROWS else None
        groups.append(Group(name, len(rows), *_proper(part, losses[rows]), event))
    adjusted = iter(_adjusted([group.event for group in groups if group.event is not None]))
    return tuple(group if group.event is None else replace(group, event=next(adjusted)) for group in groups)
