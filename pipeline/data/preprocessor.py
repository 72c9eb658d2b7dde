"""The preprocessor: all that is fitted on training rows, from encoded features to what networks see.

Every step is elementwise in float64, so that a row's bits depend on no other row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy.typing import NDArray

from pipeline.data.options import Scale
from pipeline.data.row_blocks import by_blocks

LIMIT = 10.0
"""Standardized features are clipped there, in standard deviations of the training rows."""

FEWEST_ROWS, SMALLEST_SHARE = 5, 0.05
"""An indicator that fewer training rows have, or lack, and a smaller share of them, is rare."""

_SMOOTH_LIMIT = 3.0
_MOST_RANKS = 1000
_STORED = ("center", "spread", "used", "ranks")
_TOGETHER = 8  # features that are fitted at a time: a lone one would be summed in another order


@dataclass(frozen=True)
class Preprocessor:
    """Features of any rows as training rows have them on average: centred, scaled and bounded.

    A missing value becomes 0, the mean, median or middle rank of the training rows. An indicator of a category that is
    rare in training becomes 0, as that of an unknown category is: a network sees both as none of the known ones.

    Attributes:
        scale: by mean and deviation, within ±10; by median and quartiles, smoothly within ±3; or by normal scores of
            ranks.
        center: (feature,) mean, or median.
        spread: (feature,) standard deviation, or distance of quartiles.
        used: (feature,) false for what is 0 for all rows: rare indicators, constant features unless scale is standard.
        ranks: (level, feature) ascending values of the training rows at evenly spaced ranks; no level unless needed.
    """

    scale: Scale
    center: Float32[np.ndarray, " features"]
    spread: Float32[np.ndarray, " features"]
    used: Bool[np.ndarray, " features"]
    ranks: Float32[np.ndarray, "levels features"]

    def transform(self, features: Float32[np.ndarray, "rows features"]) -> Float32[np.ndarray, "rows features"]:
        """What networks see of rows: finite, the same bits for a row alone or among others.

        Raises:
            ValueError: there are more or fewer features than there were.
        """
        if features.shape[1:] != self.center.shape:
            raise ValueError(f"features must have shape (rows, {len(self.center)}), got {features.shape}")
        return by_blocks(self._transformed, features)

    def _transformed(self, features: Float32[np.ndarray, "rows features"]) -> Float32[np.ndarray, "rows features"]:
        scaled = (features.astype(np.float64) - self.center) / self.spread
        if self.scale == "quantile":
            scaled = _normal_scores(features.astype(np.float64), self.ranks.astype(np.float64))
        elif self.scale == "robust":
            scaled = scaled / np.sqrt(1 + np.square(scaled / _SMOOTH_LIMIT))
        bounded = np.clip(scaled, -LIMIT, LIMIT).astype(np.float32)
        return np.where(np.isnan(bounded) | ~self.used, np.float32(0), bounded)

    def to_arrays(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        """Named arrays and a JSON-ready description, as `core.arrays.write_arrays` stores them."""
        return {name: getattr(self, name) for name in _STORED}, {"scale": self.scale}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], about: dict[str, Any]) -> Preprocessor:
        """The preprocessor that `to_arrays` took apart."""
        return cls(about["scale"], **{name: arrays[name] for name in _STORED})


def fit_preprocessor(
    features: Float32[np.ndarray, "rows features"],
    *,
    indicators: Bool[np.ndarray, " features"] | None = None,
    scale: Scale = "standard",
) -> Preprocessor:
    """Fit a preprocessor on training rows.

    `standard`: minus the mean, by the standard deviation (divisor n), clipped at ±10. Values within are left as they
    are: a smooth bound would move all of them. A feature that is constant, or missing throughout, has scale 1; the
    latter has mean 0.

    `robust`: minus the median, by the distance z of the quartiles (where that is 0, half the range), then
    z / sqrt(1 + (z/3)^2), which lies within ±3. A feature that is constant is 0.

    `quantile`: the normal score of the rank, that of the i-th of n values being (i - 1/2) / n, of equal values their
    middle rank; interpolated between values, and bounded by the scores of the lowest and highest. Of more than 1,000
    rows so many evenly spaced ranks are kept.

    Missing values are left out.

    Args:
        features: of the training rows; NaN where a value is missing.
        indicators: which of them are 0 or 1, one for each category: of these, those that fewer than 5 rows and a
            twentieth of them have, or lack, are 0 for all rows.
        scale: how they are scaled.

    Reference: Holzmueller, Grinsztajn & Steinwart 2024, Better by Default, section 3 (robust scaling, smooth clipping);
        Beasley, Erickson & Allison 2009, Rank-Based Inverse Normal Transformations Are Increasingly Used, But Are They
        Merited?, equation 1 with c = 1/2 (normal scores).
    """
    count = features.shape[1]
    rare = np.zeros(count, np.bool_) if indicators is None else indicators
    blocks = np.array_split(np.arange(count), max(1, count // _TOGETHER))
    parts = [_fit(features[:, block[0] : block[-1] + 1], rare[block], scale) for block in blocks if len(block)]
    return Preprocessor(scale, *(np.concatenate(fitted, axis=-1) for fitted in zip(*parts, strict=True)))


def _fit(
    features: Float32[np.ndarray, "rows features"], indicators: Bool[np.ndarray, " features"], scale: Scale
) -> tuple[NDArray[Any], ...]:
    """Center, spread, which are used, and ranks, of some features; no number depends on the other features."""
    center, spread, varies = _standard(features) if scale == "standard" else _robust(features)
    used = varies if scale != "standard" else np.ones_like(varies)
    used = used & ~(indicators & _is_rare(features))
    levels = min(len(features), _MOST_RANKS) if scale == "quantile" else 0
    ranks = _quantiles(features, _levels(np.arange(levels), levels), middle=True)
    return center, spread, used, ranks.astype(np.float32)


_Fit = tuple[
    Float32[np.ndarray, " features"],
    Float32[np.ndarray, " features"],
    Bool[np.ndarray, " features"],
]
"""Center, spread, and which features vary."""


def _standard(features: Float32[np.ndarray, "rows features"]) -> _Fit:
    present = ~np.isnan(features)
    count = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, features, 0).astype(np.float64).sum(axis=0) / count
    deviations = np.where(present, features.astype(np.float64) - mean, 0)
    spread = np.sqrt(np.square(deviations).sum(axis=0) / count).astype(np.float32)
    varies = (_range(features) > 0) & (spread > 0)  # rounding gives a constant column a tiny spread, not zero
    return mean.astype(np.float32), np.where(varies, spread, np.float32(1)), varies


def _robust(features: Float32[np.ndarray, "rows features"]) -> _Fit:
    low, center, high = _quantiles(features, np.array([0.25, 0.5, 0.75]))
    half_range = _range(features) / 2
    spread = np.where(high > low, high - low, half_range).astype(np.float32)
    varies = (half_range > 0) & (spread > 0)
    return center.astype(np.float32), np.where(varies, spread, np.float32(1)), varies


def _range(features: Float32[np.ndarray, "rows features"]) -> Float64[np.ndarray, " features"]:
    """Highest minus lowest value that is present; 0 where none is."""
    present = ~np.isnan(features)
    highest = np.where(present, features, -np.inf).max(axis=0).astype(np.float64)
    lowest = np.where(present, features, np.inf).min(axis=0).astype(np.float64)
    differences: Float64[np.ndarray, " features"] = np.maximum(highest - lowest, 0)
    return differences


def _quantiles(
    features: Float32[np.ndarray, "rows features"], levels: Float64[np.ndarray, " levels"], *, middle: bool = False
) -> Float64[np.ndarray, "levels features"]:
    """Quantiles of the values that are present, interpolated; 0 where none is.

    The lowest and highest value are at levels 0 and 1, or with `middle` at 1/2n and 1 - 1/2n.
    """
    ordered = np.sort(features.astype(np.float64), axis=0)  # NaN last
    count = (~np.isnan(features)).sum(axis=0)
    last = np.maximum(count - 1, 0)
    places = levels[:, None] * count - 0.5 if middle else levels[:, None] * last
    places = np.clip(places, 0, last)
    below = np.floor(places).astype(np.int64)
    low, high = (np.take_along_axis(ordered, place, 0) for place in (below, np.minimum(below + 1, last)))
    return np.where(count > 0, low + (high - low) * (places - below), 0.0)


def _normal_scores(
    features: Float64[np.ndarray, "rows features"], ranks: Float64[np.ndarray, "levels features"]
) -> Float64[np.ndarray, "rows features"]:
    """Normal scores of each value's place among the training rows; NaN for NaN."""
    from scipy.special import ndtri  # noqa: PLC0415  (slow to import)

    scores = np.empty_like(features)
    for feature, (values, known) in enumerate(zip(features.T, ranks.T, strict=True)):
        scores[:, feature] = ndtri(_levels(_places(values, known), len(known)))
    return np.where(np.isnan(features), np.nan, scores)


def _places(
    values: Float64[np.ndarray, " rows"], known: Float64[np.ndarray, " levels"]
) -> Float64[np.ndarray, " rows"]:
    """Where each value stands among ascending ones, from 0 to their number - 1: between equal ones in the middle."""
    left, right = (np.searchsorted(known, values, side=side) for side in ("left", "right"))
    below, above = np.maximum(left - 1, 0), np.minimum(left, len(known) - 1)
    width = known[above] - known[below]
    within = (values - known[below]) / np.where(width > 0, width, 1)
    between = below + np.where(above > below, within, 0)
    return np.where(right > left, (left + right - 1) / 2, between)


def _levels(
    places: Int64[np.ndarray, " rows"] | Float64[np.ndarray, " rows"], count: int
) -> Float64[np.ndarray, " rows"]:
    levels: Float64[np.ndarray, " rows"] = (places + 0.5) / max(count, 1)
    return levels


def _is_rare(features: Float32[np.ndarray, "rows features"]) -> Bool[np.ndarray, " features"]:
    """Whether few rows have, or lack, each of these indicators."""
    have = (features > 0.5).sum(axis=0)
    fewer = np.minimum(have, len(features) - have)
    rare: Bool[np.ndarray, " features"] = fewer < min(FEWEST_ROWS, SMALLEST_SHARE * len(features))
    return rare
