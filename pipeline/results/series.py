"""What do the plots draw? Finished results as long tables, one flat row a mark: sweeps, histories, reliability bins."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from pipeline.statistics.intervals import Interval, Widening, mean_interval

Points = Sequence[Mapping[str, Any]]
Row = dict[str, Any]
ENDS = ("mean", "low", "high")
COLUMNS = {
    "history": ("variant", "name", "epoch", "metric", *ENDS),
    "reliability": ("variant", "name", "bin", "confidence", "accuracy", "low", "high", "count", "seeds"),
    "sweeps": ("variant", "name", "parameter", "value", "metric", *ENDS),
}


def sweep_rows(results: Mapping[str, Any]) -> list[Row]:
    """`variant, name, parameter, value, metric, mean, low, high` for each parameter that differs within a variant.

    A list value becomes text ("128-128"); a parameter that a point does not set is left out for that point.
    """
    rows = []
    for variant in dict.fromkeys(point["variant"] for point in results["points"]):
        points = [point for point in results["points"] if point["variant"] == variant and not point["a_a"]]
        for parameter in _swept(points):
            for point in (point for point in points if parameter in point["parameters"]):
                place = {"parameter": parameter, "value": _flat(point["parameters"][parameter])}
                for metric, entry in point["metrics"].items():
                    ends = {key: entry[key] for key in ("mean", "low", "high")}
                    rows.append({"variant": variant, "name": point["name"], **place, "metric": metric, **ends})
    return rows


def history_rows(
    points: Points,
    history: Mapping[str, Shaped[np.ndarray, "..."]],
    *,
    confidence: float = 0.95,
    inflation: float = 0.0,
) -> list[Row]:
    """`variant, name, epoch, metric, mean, low, high` over seeds, from the curves of every point and seed.

    `history` has `epoch` (epochs,) and curves (points, seeds, epochs); None where a seed is not finite. Intervals are
    cut at what a measure can be: NLL from 0, accuracy from 0 to 1.
    """
    epochs = [int(epoch) for epoch in history["epoch"]]
    rows = []
    for metric in (name for name in history if name != "epoch"):
        curves = np.moveaxis(np.asarray(history[metric], dtype=np.float64), 1, -1)
        interval = mean_interval(curves, confidence=confidence, widening=Widening(inflation))
        for i, point in enumerate(points):
            for j, epoch in enumerate(epochs):
                place = {"variant": point["variant"], "name": point["name"], "epoch": epoch, "metric": metric}
                rows.append({**place, **_within(_ends(interval, (i, j)), 1.0 if metric.endswith("accuracy") else None)})
    return rows


def reliability_rows(
    points: Points,
    curves: Mapping[str, Float[np.ndarray, "points seeds bins"]],
    *,
    confidence: float = 0.95,
    inflation: float = 0.0,
) -> list[Row]:
    """`variant, name, bin, confidence, accuracy, low, high, count, seeds` for each bin that any seed fills.

    `curves` has `confidence`, `accuracy` and `count`, each (points, seeds, bins). Seeds are never pooled before
    binning, which would average their errors away: each is binned by itself, and a row is the mean over the
    `seeds` whose bin is not empty, with the interval of the accuracy. Bins empty in every seed have no row.
    """
    rows = []
    for i, point in enumerate(points):
        for j in np.flatnonzero((curves["count"][i] > 0).any(axis=0)).tolist():
            filled = curves["count"][i, :, j] > 0
            accuracy = mean_interval(
                curves["accuracy"][i, filled, j], confidence=confidence, widening=Widening(inflation)
            )
            ends = _within(_ends(accuracy, ()), 1.0)
            rows.append(
                {
                    "variant": point["variant"],
                    "name": point["name"],
                    "bin": j,
                    "confidence": _ends(mean_interval(curves["confidence"][i, filled, j]), ())["mean"],
                    "accuracy": ends["mean"],
                    "low": ends["low"],
                    "high": ends["high"],
                    "count": float(curves["count"][i, filled, j].mean()),
                    "seeds": int(filled.sum()),
                }
            )
    return rows


def _swept(points: Points) -> list[str]:
    names = dict.fromkeys(name for point in points for name in point["parameters"])
    return [
        name
        for name in names
        if len({str(point["parameters"][name]) for point in points if name in point["parameters"]}) > 1
    ]


def _within(ends: dict[str, float | None], highest: float | None) -> dict[str, float | None]:
    """Ends no lower than 0 and no higher than `highest`."""
    return {
        key: None if value is None else min(max(value, 0.0), value if highest is None else highest)
        for key, value in ends.items()
    }


def _flat(value: Any) -> Any:
    return "-".join(str(item) for item in value) if isinstance(value, list | tuple) else value


def _ends(interval: Interval, index: tuple[int, ...]) -> dict[str, float | None]:
    fields = {key: float(field[index]) for key, field in interval._asdict().items()}
    return {key: value if np.isfinite(value) else None for key, value in fields.items()}
