"""Bins of confidence: equal-width and equal-mass edges among sorted rows, and sums between them."""

from typing import Literal

import numpy as np

from pipeline.metrics.probabilities import Floats, Ints

Binning = Literal["width", "mass"]


def bin_edges(confidence: Floats, *, bins: int, binning: Binning) -> Ints:
    """Positions `(..., bins + 1)` where bins of sorted rows begin and end."""
    cuts, n = _width_cuts(bins), confidence.shape[-1]
    rows = confidence.reshape(-1, n)
    edges = np.zeros((len(rows), bins + 1), dtype=np.int64)
    edges[:, -1] = n
    if binning == "mass":
        last = mass_cuts(n, bins=bins)
    elif binning != "width":
        raise ValueError(f"binning must be 'width' or 'mass', got {binning!r}")
    for row, edge in zip(rows, edges, strict=True):
        edge[1:-1] = np.searchsorted(row, cuts if binning == "width" else row[last], side="right")
    return edges.reshape(*confidence.shape[:-1], bins + 1)


def merge_singles(edges: Ints) -> Ints:
    """Edges `(..., bins + 1)` without bins of one row: each cut is dropped that leaves one before it, or to the end."""
    merged, n = edges.copy(), edges[..., -1]
    for b in range(1, edges.shape[-1] - 1):
        start, cut = merged[..., b - 1], edges[..., b]
        merged[..., b] = np.where((cut - start == 1) | (n - cut == 1), start, cut)
    return merged


def segment_sums(values: Floats, edges: Ints) -> Floats:
    """Sums of sorted rows `(..., n)` between edges `(..., B + 1)`; the full segments tile the flattened rows."""
    n = values.shape[-1]
    starts = edges[..., :-1].reshape(-1, edges.shape[-1] - 1)
    full = np.diff(edges).reshape(starts.shape) > 0
    sums = np.zeros(starts.shape)
    sums[full] = np.add.reduceat(values.ravel(), (starts + n * np.arange(len(starts))[:, None])[full])
    return sums.reshape(*values.shape[:-1], -1)


def mass_cuts(rows: int, *, bins: int) -> Ints:
    """Positions `(bins - 1,)` of the last of the sorted rows in each equal-mass bin but the last, before ties."""
    return np.maximum(np.arange(1, bins) * rows // bins - 1, 0)


def _width_cuts(bins: int) -> Floats:
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    return np.arange(1, bins) / bins
