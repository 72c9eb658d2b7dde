"""Piecewise-linear encoding: a number as how far it reaches into each of the bins between training quantiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from pipeline.data.row_blocks import by_blocks

BINS = 12


@dataclass(frozen=True)
class PiecewiseLinear:
    """Each number becomes a feature for each of its bins: 0 before the bin, 1 after it, linear within.

    Attributes:
        edges: (edge, feature) ascending; of a feature with fewer distinct edges the last ones are repeated.
        plain: (feature,) those that stay as they are: indicators, and what has one value.

    Reference:
        Gorishniy, Rubachev & Babenko 2022, NeurIPS, "On Embeddings for Numerical Features in Tabular Deep Learning".
    """

    edges: Float32[np.ndarray, "edges features"]
    plain: Bool[np.ndarray, " features"]

    def transform(self, features: Float32[np.ndarray, "rows features"]) -> Float32[np.ndarray, "rows encoded"]:
        """Encode preprocessed rows; each row's bits depend on no other row. Bins without width are left out."""
        return by_blocks(self._transformed, features)

    def _transformed(self, features: Float32[np.ndarray, "rows features"]) -> Float32[np.ndarray, "rows encoded"]:
        edges = self.edges.T.astype(np.float64)
        low, high = edges[:, :-1], edges[:, 1:]  # (feature, bin)
        used = (high > low) & ~self.plain[:, None]
        numbers, bins = np.nonzero(used)
        start, width = low[numbers, bins], (high - low)[numbers, bins]
        reached = np.clip((features[:, numbers] - start) / width, 0, 1)
        return np.concatenate([features[:, self.plain], reached.astype(np.float32)], axis=1)


def fit_piecewise_linear(
    features: Float32[np.ndarray, "rows features"],
    *,
    indicators: Bool[np.ndarray, " features"],
    bins: int = BINS,
) -> PiecewiseLinear:
    """Fit the bins to quantiles of preprocessed training rows.

    Args:
        features: of the training rows, finite.
        indicators: which of them are 0 or 1.
        bins: how many there are at most for each number.
    """
    levels = np.linspace(0, 1, bins + 1)
    edges = np.stack([np.quantile(each.astype(np.float64), levels) for each in features.T], axis=1).astype(np.float32)
    return PiecewiseLinear(edges, indicators | (edges[-1] <= edges[0]))
