"""What the tracking server says of a study: finished results as records, one a point, under one a variant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Point, Regularizers
from pipeline.records import DatasetRef, Record

Row = Mapping[str, Any]
Arrays = Mapping[str, NDArray[Any]]
HEADLINE = ("test/nll", "test/accuracy", "test/ece", "test/debiased", "gap/nll", "test_ts/nll", "test_ts/ece")
CURVES = tuple(f"{split}/{measure}" for split in ("train", "validation") for measure in ("nll", "accuracy"))


def records_of(results: Mapping[str, Any], arrays: Sequence[Arrays]) -> list[Record]:
    """One record a variant and one a point, from a finished table and each point's `score/*` and `history/*`."""
    dataset, points = results["dataset"], results["points"]
    variants = dict.fromkeys(row["variant"] for row in points)
    shown = _shown(points)
    parents = [_variant_record(dataset["name"], name) for name in variants]
    return parents + [_point_record(results, row, found, shown) for row, found in zip(points, arrays, strict=True)]


def experiment(dataset: str) -> str:
    """The experiment in which a data set's runs are found."""
    return f"regularization-lab/{dataset}"


def _variant_record(dataset: str, variant: str) -> Record:
    return Record(
        key=f"{dataset}/{variant}",
        experiment=experiment(dataset),
        name=variant,
        description=(
            f"Variant `{variant}` on `{dataset}`: one child run for each of its points. Earlier results are kept as "
            'history; the filter `tags.superseded = "false"` hides them.'
        ),
        tags={"dataset": dataset, "variant": variant, "level": "variant"},
    )


def _point_record(results: Mapping[str, Any], row: Row, arrays: Arrays, shown: Sequence[str]) -> Record:
    dataset = results["dataset"]
    name = dataset["name"]
    against = row["against_reference"].get("test/nll", {})
    return Record(
        key=f"{name}/{row['variant']}/{row['name']}",
        experiment=experiment(name),
        name=row["name"],
        parent=f"{name}/{row['variant']}",
        description=_description(row, name, results["reference"]["key"]),
        params={field: _value(row["parameters"][field]) for field in shown},
        tags={
            "dataset": name,
            "variant": row["variant"],
            "level": "point",
            "verdict": _verdict(against),
            "dvc.md5.data": dataset["md5"],
            "dvc.md5.members": row["md5"],
            **{f"fixed.{field}": str(_value(v)) for field, v in row["parameters"].items() if field not in shown},
        },
        metrics=list(_metrics(row, arrays)),
        artifacts={"results.json": json.dumps(_own(row), indent=1, sort_keys=True).encode()},
        dataset=_dataset(dataset),
    )


def _verdict(against: Mapping[str, Any]) -> str:
    """The verdict on test NLL, where there is one."""
    if not against:
        return "reference"
    return "not compared" if against["left_out"] else str(against["verdict"])


def _shown(points: Sequence[Row]) -> list[str]:
    """Every regularizer, the learning rate, and what else differs between points: constants are not worth a column."""
    fields = list(Point.model_fields)
    differs = [field for field in fields if len({str(row["parameters"][field]) for row in points}) > 1]
    return [
        field for field in fields if field in Regularizers.model_fields or field in differs or field == "learning_rate"
    ]


def _value(value: Any) -> str | float | int:
    """Numbers as they are, so that the UI can draw them on an axis; widths as text."""
    if isinstance(value, bool):
        return int(value)
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else value


def _metrics(row: Row, arrays: Arrays) -> Iterator[tuple[str, float, int]]:
    """Means; intervals, comparison and each seed's value of the headline metrics; last, training curves by epoch."""
    for name, entry in row["metrics"].items():
        yield name, _number(entry["mean"]), 0
    for name in HEADLINE:
        yield from ((f"interval/{name}/{end}", _number(row["metrics"][name][end]), 0) for end in ("low", "high"))
        yield from ((f"seeds/{name}", float(value), seed) for seed, value in enumerate(arrays[f"score/{name}"]))
        if compared := row["against_reference"].get(name):
            yield f"against_none/{name}", _number(compared["difference"]), 0
            yield from ((f"against_none/{name}/{end}", _number(compared[end]), 0) for end in ("low", "high"))
            yield f"p_better/{name}", _number(compared["p_better"]["estimate"]), 0
    epochs = arrays["history/epoch"].tolist()
    for name in CURVES:
        with np.errstate(over="ignore", invalid="ignore"):  # a diverged seed's curve leaves no finite mean
            means = arrays[f"history/{name}"].mean(0)
        yield from ((f"curves/{name}", float(value), epoch) for epoch, value in zip(epochs, means, strict=True))


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _own(row: Row) -> dict[str, Any]:
    """The point's part of the table, less what depends on which other points there are."""
    against = {
        metric: {field: value for field, value in entry.items() if field != "p_holm"}
        for metric, entry in row["against_reference"].items()
    }
    return {**row, "against_reference": against}


def _description(row: Row, dataset: str, reference: str) -> str:
    """A sentence that explains the run."""
    nll, ece = row["metrics"]["test/nll"], row["metrics"]["test/ece"]
    means = f"test NLL {_mean(nll)}, ECE {_mean(ece)}"
    head = f"`{row['name']}` on `{dataset}`, {row['seeds']} seeds: {means}"
    against = row["against_reference"].get("test/nll")
    if against is None:
        return f"{head}. All other points are compared with this one."
    if against["left_out"]:
        return f"{head}. Not compared: {against['left_out']}."
    change = f"{_signed(against['difference'])} [{_signed(against['low'])}, {_signed(against['high'])}]"
    return f"{head}. NLL against `{reference}`: {change}, verdict: **{against['verdict']}**."


def _mean(entry: Mapping[str, Any]) -> str:
    """A mean, or in words that there is none."""
    if entry["mean"] is not None:
        return f"{entry['mean']:.4f}"
    seeds = entry.get("not_finite")
    return f"not finite (in {seeds} of the seeds)" if seeds else "not finite"


def _signed(value: float | None) -> str:
    return "not finite" if value is None else f"{value:+.4f}"


def _dataset(dataset: Mapping[str, Any]) -> DatasetRef:
    columns = [{"name": name, "type": "float", "required": True} for name in dataset["feature_names"]]
    return DatasetRef(
        name=dataset["name"],
        digest=dataset["md5"],
        source=f"data/{dataset['name']}.safetensors",
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": dataset["rows"], "num_elements": dataset["rows"] * dataset["features"]}),
    )
