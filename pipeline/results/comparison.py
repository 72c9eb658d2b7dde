"""What did the seeds say? Scores of every point and seed become one finished, JSON-ready table.

Every metric gets its mean and interval, every point its paired comparison with the unregularized one, before and
after temperature scaling. What cannot be compared says why; what is not finite becomes null.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from pipeline.results.rank_changes import find_flips, rank
from pipeline.statistics import paired_comparison
from pipeline.statistics.intervals import Widening, mean_interval, mean_ratio, paired_difference
from pipeline.statistics.paired_comparison import Direction
from pipeline.statistics.shared_rows import Groups, Overlap

Scores = Mapping[str, Float[np.ndarray, "points seeds"]]
Points = Sequence[Mapping[str, Any]]
_RESPLITS = "Nadeau-Bengio 2003, correlation bounded for training rows and measured for test rows"
_SHARED_TEST = "Searle et al. 1992, covariance of test rows measured"


@dataclass(frozen=True)
class Protocol:
    """How comparisons are made; see `pipeline.statistics.paired_comparison`."""

    confidence: float
    """Of every interval."""
    resamples: int
    """Seed sets drawn for the bootstrap of P(better)."""
    gamma: float
    """P(better) from which a difference matters."""


PROTOCOL = Protocol(confidence=0.95, resamples=10_000, gamma=0.75)


@dataclass(frozen=True)
class _Roles:
    """Which points stand outside the family compared, one flag a point."""

    reference: int
    a_a: np.ndarray
    duplicate: np.ndarray

    @property
    def family(self) -> np.ndarray:
        others = np.arange(len(self.a_a)) != self.reference
        return np.asarray(others & ~self.a_a & ~self.duplicate)


def results_table(
    points: Points,
    scores: Scores,
    *,
    groups: Groups | None = None,
    directions: Mapping[str, Direction],
    reference: int,
    dataset: Mapping[str, Any],
    protocol: Protocol,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """The finished table: `dataset`, `protocol`, `reference`, `points`, `ranking` and `flips`.

    A point with parameter `replicate` = 1 is the A/A check: the unregularized point on other seeds, flagged `a_a`.
    Its seeds pair up with the reference's by position only, which leaves the paired t interval valid (independent
    pairs) but not narrowed. A point whose compared scores all equal the reference's to the bit is flagged
    `duplicate`. Neither belongs to the family that Holm's step-down corrects for, metric by metric.

    A verdict needs the interval of the difference to exclude 0 as well. Where P(better) alone would decide and the
    interval does not, no number of further seeds is named (`more_seeds` is null); nor where seeds share rows and the
    widened interval includes 0: more rows would help.

    Means, differences and p values are widened, metric by metric and point by point, by `overlap.measured_widening`
    where the metric has groups (a gap has those of its test part): for the test rows that seeds share, and where they
    resplit one data set (`dataset["overlapping"]`) with the correction of Nadeau & Bengio (2003) for training rows.
    Where a metric has no groups the correlation is bounded by the largest part of the pool that it depends on, 0 where
    seeds draw rows of their own. The surrogate n_test / n_train is quoted only: it assumes that nothing depends on the
    training rows, far too wide where test parts are large. P(better) and its interval carry no correction.

    Args:
        points: One mapping a point: `variant`, `name`, `parameters`, and what else is to be kept of it.
        scores: By metric, (points, seeds).
        groups: By metric on test, (points, seeds, groups): scores of the same groups of the pool's rows for all.
        directions: Which way is better, for each metric to be compared.
        reference: Index of the unregularized point.
        dataset: JSON-ready description with `overlapping` and the row counts `train`, `validation`, `test`.
        protocol: Confidence, resamples, gamma.
        generator: Draws the bootstrap's seed sets.

    Raises:
        ValueError: shapes, names, `reference` or `dataset` do not fit together.
    """
    seeds = _check(points, scores, directions=directions, reference=reference, dataset=dataset)
    roles = _roles(points, scores, directions=directions, reference=reference)
    selecting = np.array([point["parameters"].get("early_stopping", "none") != "none" for point in points])
    overlap = Overlap(dataset, groups or {}, selecting)
    metrics = _metrics(scores, overlap, protocol)
    compared = _comparisons(
        scores, directions=directions, roles=roles, overlap=overlap, protocol=protocol, generator=generator
    )
    keys = _keys(points)
    rows = [
        {
            **point,
            "key": keys[i],
            "seeds": seeds,
            "a_a": bool(roles.a_a[i]),
            "duplicate": bool(roles.duplicate[i]),
            "metrics": metrics[i],
            "against_reference": {} if i == reference else compared[i],
        }
        for i, point in enumerate(points)
    ]
    ranking = rank(rows, directions)
    return {
        "dataset": dict(dataset),
        "protocol": _protocol(protocol, seeds=seeds, overlap=overlap, family=int(roles.family.sum())),
        "reference": {"index": reference, "key": keys[reference], "variant": points[reference]["variant"]},
        "points": rows,
        "ranking": ranking,
        "flips": find_flips(rows, ranking),
    }


def number(value: float | np.floating[Any]) -> float | None:
    """A plain float, or None where it is not finite: JSON knows neither NaN nor infinity."""
    return float(value) if math.isfinite(value) else None


def _check(
    points: Points, scores: Scores, *, directions: Mapping[str, str], reference: int, dataset: Mapping[str, Any]
) -> int:
    shapes = {name: values.shape for name, values in scores.items()}
    if len(set(shapes.values())) != 1 or next(iter(shapes.values()))[:1] != (len(points),):
        raise ValueError(f"scores must all have shape ({len(points)} points, seeds), got {shapes}")
    if missing := sorted(set(directions) - set(scores)):
        raise ValueError(f"directions must name metrics that have scores, got also {', '.join(missing)}")
    if not 0 <= reference < len(points):
        raise ValueError(f"reference must be the index of one of {len(points)} points, got {reference}")
    if missing := sorted({"overlapping", "train", "validation", "test"} - set(dataset)):
        raise ValueError(f"dataset must have overlapping, train, validation and test; missing {', '.join(missing)}")
    return int(next(iter(shapes.values()))[1])


def _keys(points: Points) -> list[str]:
    """A name that is unique among all points: its own, with its variant before it where two variants share it."""
    count = Counter(point["name"] for point in points)
    keys = [point["name"] if count[point["name"]] == 1 else f"{point['variant']}/{point['name']}" for point in points]
    if len(set(keys)) < len(keys):
        raise ValueError(f"points must differ in variant and name, got {keys}")
    return keys


def _roles(points: Points, scores: Scores, *, directions: Mapping[str, Direction], reference: int) -> _Roles:
    own = points[reference]["parameters"]
    a_a = np.array(
        [i != reference and point["parameters"] == {**own, "replicate": 1} for i, point in enumerate(points)]
    )
    same = [
        i != reference
        and bool(directions)
        and all(np.array_equal(scores[m][i], scores[m][reference], equal_nan=True) for m in directions)
        for i in range(len(points))
    ]
    return _Roles(reference=reference, a_a=a_a, duplicate=np.array(same) & ~a_a)


def _metrics(scores: Scores, overlap: Overlap, protocol: Protocol) -> list[dict[str, Any]]:
    names = sorted(scores)
    stacked = np.stack([scores[name] for name in names], axis=1).astype(np.float64)
    lines = [overlap.widening(name, stacked[:, j], overlap.groups_of(name)) for j, name in enumerate(names)]
    widening = _stacked(lines, size=len(stacked), axis=1)
    interval = mean_interval(stacked, confidence=protocol.confidence, widening=widening)
    broken = np.sum(~np.isfinite(stacked), axis=-1)
    return [
        {name: _metric(*(field[i, j] for field in interval), broken=int(broken[i, j])) for j, name in enumerate(names)}
        for i in range(len(stacked))
    ]


def _metric(mean: float, low: float, high: float, *, broken: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"mean": number(mean), "low": number(low), "high": number(high)}
    return {**entry, "not_finite": broken} if broken else entry


def _comparisons(
    scores: Scores,
    *,
    directions: Mapping[str, Direction],
    roles: _Roles,
    overlap: Overlap,
    protocol: Protocol,
    generator: np.random.Generator,
) -> list[dict[str, Any]]:
    """Every point against the reference, all metrics at once: arrays are (metric, point, seed)."""
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
    return [
        {
            name: _comparison({key: field[j, i] for key, field in columns.items()}, name, reasons[j][i])
            for j, name in enumerate(names)
        }
        for i in range(len(roles.a_a))
    ]


def _widenings(
    names: Sequence[str], a: np.ndarray, b: np.ndarray, *, overlap: Overlap, reference: int
) -> tuple[Widening, Widening, Widening]:
    """Of every point, of the reference and of their difference, each (metric, point)."""

    def of(name: str, x: np.ndarray, y: np.ndarray) -> list[Widening]:
        groups = overlap.groups_of(name)
        if groups is None:
            return [overlap.widening(name, x, None)] * 3
        with np.errstate(invalid="ignore", over="ignore"):
            sides = ((x, groups), (y, groups[reference, None]), (x - y, groups - groups[reference]))
        return [overlap.widening(name, *side) for side in sides]

    columns = [of(*column) for column in zip(names, a, b, strict=True)]
    points, references, differences = (_stacked(of_all, size=a.shape[1]) for of_all in zip(*columns, strict=True))
    return points, references, differences


def _stacked(each: Sequence[Widening], *, size: int, axis: int = 0) -> Widening:
    """One of several, each of `size` columns or the same for all."""
    fields = ([np.broadcast_to(getattr(one, name), size) for one in each] for name in ("inflation", "freedom"))
    return Widening(*(np.stack(values, axis=axis) for values in fields))


def _columns(
    a: np.ndarray,
    b: np.ndarray,
    *,
    sign: np.ndarray,
    widening: tuple[Widening, Widening, Widening],
    roles: _Roles,
    protocol: Protocol,
    generator: np.random.Generator,
) -> dict[str, np.ndarray]:
    """The fields of a comparison, each (metric, point); `sign` is -1 where higher is better."""
    rule: dict[str, Any] = {"seeds": a.shape[-1], "gamma": protocol.gamma, "confidence": protocol.confidence}
    difference = paired_difference(a, b, confidence=protocol.confidence, widening=widening[2])
    p_better = paired_comparison.probability_better(
        sign * a,
        sign * b,
        direction="lower",
        generator=generator,
        resamples=protocol.resamples,
        confidence=protocol.confidence,
    )
    same = np.broadcast_to(roles.duplicate, difference.p.shape) & ~np.isnan(difference.mean)
    found = paired_comparison.verdict(p_better, **rule)
    equivalent = paired_comparison.equivalent(p_better, **rule) | same
    inflation = np.asarray(widening[2].inflation)
    doubtful = (difference.low <= 0) & (difference.high >= 0)
    unnamed = doubtful & ((inflation > 0) | (found != "no evidence"))  # rows would help, or P(better) is settled
    more_seeds = paired_comparison.seeds_to_settle(p_better, **rule)
    left = mean_ratio(a, b, confidence=protocol.confidence, widening=widening)
    is_gap = sign[..., 0] * mean_interval(b).mean > 0
    return {
        **difference._asdict(),
        "inflation": inflation,
        "freedom": widening[2].freedom,
        "p_holm": paired_comparison.holm(np.where(roles.family, difference.p, np.nan)),
        **{f"p_better_{key}": field for key, field in p_better._asdict().items()},
        "verdict": np.where(doubtful, "no evidence", found),
        "equivalent": equivalent,
        "more_seeds": np.select([same, unnamed & ~equivalent], [0.0, np.nan], more_seeds),
        **{f"left_{key}": np.where(is_gap, field, np.nan) for key, field in left._asdict().items()},
    }


def _comparison(column: Mapping[str, Any], name: str, left_out: str | None) -> dict[str, Any]:
    """One comparison, JSON-ready; `closed` is the share of a gap that the point closes, in percent."""
    more = number(column["more_seeds"])
    entry = {
        "difference": number(column["mean"]),
        **{key: number(column[key]) for key in ("low", "high", "p", "p_holm", "inflation", "freedom")},
        "p_better": {key: number(column[f"p_better_{key}"]) for key in ("estimate", "low", "high")},
        "verdict": str(column["verdict"]),
        "equivalent": bool(column["equivalent"]),
        "more_seeds": None if more is None else int(more),
        "left_out": left_out,
    }
    if name.startswith("gap"):
        ends = (("percent", "mean"), ("low", "high"), ("high", "low"))
        entry["closed"] = {key: number(100 * (1 - column[f"left_{end}"])) for key, end in ends}
    return entry


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


def _protocol(protocol: Protocol, *, seeds: int, overlap: Overlap, family: int) -> dict[str, Any]:
    """How it was done; `inflation` is what applies without a measurement, and the textbook's `surrogate` beside it."""
    dataset = overlap.dataset
    train, fit, test = overlap.share("train"), overlap.share("train", "validation"), overlap.share("test")
    inflation = {"training_rows": train / (1 - train), "all_rows": max(train, test) / (1 - max(train, test))}
    surrogate = float(dataset["test"] / dataset["train"]) if dataset["overlapping"] else 0.0
    return {
        **asdict(protocol),
        "seeds": seeds,
        "interval": "Student t over seeds, with Satterthwaite's degrees of freedom where shared test rows are measured",
        "p_better": "percentile bootstrap over paired seeds, ties half",
        "correction": _RESPLITS if dataset["overlapping"] else _SHARED_TEST if overlap.groups else "none",
        "rho_train": train,
        "rho_fit": fit,
        "inflation": {**inflation, "surrogate": surrogate},
        "multiplicity": "Holm 1979",
        "family": family,
    }
