"""Paired comparisons of all points with the reference, all metrics at once: arrays are (metric, point, seed)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pipeline.metrics.names import MetricName
from pipeline.results.record import finite
from pipeline.results.study import Comparison, GapClosed, ProbabilityBetter, Verdict
from pipeline.statistics import paired_comparison
from pipeline.statistics.intervals import Widening, mean_interval, mean_ratio, paired_difference
from pipeline.statistics.paired_comparison import Direction
from pipeline.statistics.shared_rows import Overlap

Scores = Mapping[str, Float[np.ndarray, "points seeds"]]
Comparisons = dict[MetricName, Comparison]
Widenings = tuple[Widening, Widening, Widening]
"""Of every point, of the reference and of their difference, each (metric, point)."""
_VERDICTS: dict[str, Verdict] = {"better": "better", "worse": "worse", "no evidence": "no evidence"}


@dataclass(frozen=True)
class Protocol:
    """How comparisons are made; see `pipeline.statistics.paired_comparison`."""

    confidence: float
    """Of every interval."""
    resamples: int
    """Seed sets drawn for the bootstrap of P(better)."""
    gamma: float
    """P(better) from which a difference matters."""
    least_effect: float
    """Smallest gain in NLL that is worth a recommendation, in nats."""


@dataclass(frozen=True)
class Roles:
    """Which points stand outside the family compared, one flag a point."""

    reference: int
    a_a: np.ndarray
    duplicate: np.ndarray

    @property
    def family(self) -> np.ndarray:
        """The points that count for Holm's correction."""
        others = np.arange(len(self.a_a)) != self.reference
        return np.asarray(others & ~self.a_a & ~self.duplicate)


def compare_columns(
    scores: Scores,
    *,
    directions: Mapping[str, Direction],
    roles: Roles,
    overlap: Overlap,
    protocol: Protocol,
    generator: np.random.Generator,
) -> list[Comparisons]:
    """Every point's comparisons with the reference, by metric; `pipeline.results.comparison` says how."""
    names = sorted(directions)
    if not names:
        return [{} for _ in roles.a_a]
    a = np.stack([scores[name] for name in names]).astype(np.float64)
    a = np.where(np.isfinite(a), a, np.nan)
    b = a[:, roles.reference, None]
    sign = np.array([1.0 if directions[name] == "lower" else -1.0 for name in names])[:, None, None]
    widening = _widenings(names, a, b, overlap=overlap, reference=roles.reference)
    columns = _columns(a, b, sign=sign, widening=widening, roles=roles, protocol=protocol, generator=generator)
    reasons = _reasons(a, roles.reference)
    metrics = [MetricName.parse(name) for name in names]
    return [
        {
            metric: _comparison({key: field[j, i] for key, field in columns.items()}, metric, reasons[j][i])
            for j, metric in enumerate(metrics)
        }
        for i in range(len(roles.a_a))
    ]


def stacked_widening(each: Sequence[Widening], *, size: int, axis: int = 0) -> Widening:
    """One of several, each of `size` columns or the same for all."""
    inflation = np.stack([np.broadcast_to(widening.inflation, size) for widening in each], axis=axis)
    return Widening(inflation, np.stack([np.broadcast_to(widening.freedom, size) for widening in each], axis=axis))


def _widenings(names: Sequence[str], a: np.ndarray, b: np.ndarray, *, overlap: Overlap, reference: int) -> Widenings:
    def of(name: str, x: np.ndarray, y: np.ndarray) -> list[Widening]:
        groups = overlap.groups_of(name)
        if groups is None:
            return [overlap.widening(name, x, None)] * 3
        with np.errstate(invalid="ignore", over="ignore"):
            sides = ((x, groups), (y, groups[reference, None]), (x - y, groups - groups[reference]))
        return [overlap.widening(name, *side) for side in sides]

    columns = [of(*column) for column in zip(names, a, b, strict=True)]
    points, references, differences = (
        stacked_widening(of_all, size=a.shape[1]) for of_all in zip(*columns, strict=True)
    )
    return points, references, differences


def _columns(
    a: np.ndarray,
    b: np.ndarray,
    *,
    sign: np.ndarray,
    widening: Widenings,
    roles: Roles,
    protocol: Protocol,
    generator: np.random.Generator,
) -> dict[str, np.ndarray]:
    """The fields of a comparison, each (metric, point); `sign` is -1 where higher is better."""
    difference = paired_difference(a, b, confidence=protocol.confidence, widening=widening[2])
    p_better = paired_comparison.probability_better(
        sign * a,
        sign * b,
        direction="lower",
        generator=generator,
        resamples=protocol.resamples,
        confidence=protocol.confidence,
    )
    left = mean_ratio(a, b, confidence=protocol.confidence, widening=widening)
    is_gap = sign[..., 0] * mean_interval(b).mean > 0
    doubtful = (difference.low <= 0) & (difference.high >= 0)
    same = np.broadcast_to(roles.duplicate, difference.p.shape) & ~np.isnan(difference.mean)
    inflation = np.asarray(widening[2].inflation)
    return {
        **difference._asdict(),
        "inflation": inflation,
        "freedom": np.asarray(widening[2].freedom),
        "p_holm": paired_comparison.holm(np.where(roles.family, difference.p, np.nan)),
        **{f"p_better_{key}": field for key, field in p_better._asdict().items()},
        **_decisions(
            p_better, doubtful=doubtful, same=same, shares_rows=inflation > 0, seeds=a.shape[-1], protocol=protocol
        ),
        **{f"left_{key}": np.where(is_gap, field, np.nan) for key, field in left._asdict().items()},
    }


def _decisions(
    p_better: paired_comparison.Probability,
    *,
    doubtful: np.ndarray,
    same: np.ndarray,
    shares_rows: np.ndarray,
    seeds: int,
    protocol: Protocol,
) -> dict[str, np.ndarray]:
    """`verdict`, `equivalent` and `more_seeds`; `doubtful` where the interval of the difference includes 0."""
    gamma, confidence = protocol.gamma, protocol.confidence
    verdict = paired_comparison.verdict(p_better, seeds=seeds, gamma=gamma, confidence=confidence)
    equivalent = paired_comparison.equivalent(p_better, seeds=seeds, gamma=gamma, confidence=confidence) | same
    unnamed = doubtful & (shares_rows | (verdict != "no evidence"))  # rows would help, or P(better) is settled
    more_seeds = paired_comparison.seeds_to_settle(p_better, seeds=seeds, gamma=gamma, confidence=confidence)
    return {
        "verdict": np.where(doubtful, "no evidence", verdict),
        "equivalent": equivalent,
        "more_seeds": np.select([same, unnamed & ~equivalent], [0.0, np.nan], more_seeds),
    }


def _comparison(column: Mapping[str, np.generic], metric: MetricName, left_out: str | None) -> Comparison:
    more_seeds = _finite(column["more_seeds"])
    return Comparison(
        difference=_finite(column["mean"]),
        low=_finite(column["low"]),
        high=_finite(column["high"]),
        p=_finite(column["p"]),
        p_holm=_finite(column["p_holm"]),
        inflation=_finite(column["inflation"]),
        freedom=_finite(column["freedom"]),
        p_better=ProbabilityBetter(
            estimate=_finite(column["p_better_estimate"]),
            low=_finite(column["p_better_low"]),
            high=_finite(column["p_better_high"]),
        ),
        verdict=_VERDICTS[str(column["verdict"])],
        equivalent=bool(column["equivalent"]),
        more_seeds=None if more_seeds is None else int(more_seeds),
        left_out=left_out,
        closed=_closed(column) if metric.split == "gap" else None,
    )


def _closed(column: Mapping[str, np.generic]) -> GapClosed:
    """The share of a gap that the point closes: the complement of what is left, whose ends change places."""
    percent, low, high = (_finite(100 * (1 - float(column[f"left_{end}"]))) for end in ("mean", "high", "low"))
    return GapClosed(percent=percent, low=low, high=high)


def _finite(value: np.generic | float) -> float | None:
    return finite(float(value))


def _reasons(values: np.ndarray, reference: int) -> list[list[str | None]]:
    """Why a comparison is left out, by metric and point: seeds without a finite value, here or in the reference."""
    broken = np.isnan(values)
    seeds = values.shape[-1]

    def reason(j: int, i: int) -> str | None:
        for index, whose in ((i, "this point"), (reference, "the reference")):
            if count := int(broken[j, index].sum()):
                first = int(np.argmax(broken[j, index]))
                return f"{count} of {seeds} seeds of {whose} have no finite value, the first is seed {first}"
        return None

    return [[reason(j, i) for i in range(values.shape[1])] for j in range(len(values))]
