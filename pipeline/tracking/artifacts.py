"""Finished tables as the files and descriptions that MLflow keeps."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_json

from pipeline.tracking.records import DatasetRef

Row = Mapping[str, Any]
HEADLINE = ("test/nll", "test/accuracy", "test/ece", "test/debiased", "gap/nll", "test_ts/nll", "test_ts/ece")
_ENDS = {"": "difference", "_low": "low", "_high": "high"}


def tables_of(row: Row) -> dict[str, bytes]:
    """What a point's run holds beside figures, by path: its part of the table, and all its metrics."""
    return {"results.json": as_json(_own(row)), "tables/metrics.csv": _metrics_table(row)}


def _own(row: Row) -> dict[str, Any]:
    """The point's part of the table, less what depends on which other points there are."""
    against = {
        metric: {field: value for field, value in entry.items() if field != "p_holm"}
        for metric, entry in row["against_reference"].items()
    }
    return {**row, "against_reference": against}


def dataset_of(dataset: Mapping[str, Any]) -> DatasetRef:
    """What MLflow's panel of data sets says of a finished table's one."""
    columns = [{"name": name, "type": "float", "required": True} for name in dataset["feature_names"]]
    return DatasetRef(
        name=dataset["name"],
        digest=dataset["md5"],
        source=f"data/{dataset['name']}.safetensors",
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": dataset["rows"], "num_elements": dataset["rows"] * dataset["features"]}),
    )


def _metrics_table(row: Row) -> bytes:
    """Every metric of a point, headline first: mean and interval, difference from the reference where compared."""
    metrics = {name: row["metrics"][name] for name in [*HEADLINE, *row["metrics"]]}
    return as_csv(
        {
            "metric": name,
            **{field: entry[field] for field in ("mean", "low", "high")},
            **_difference(row["against_reference"].get(name)),
        }
        for name, entry in metrics.items()
    )


def _difference(against: Mapping[str, Any] | None) -> dict[str, Any]:
    columns = {f"difference{end}": None if against is None else against[f"{field}"] for end, field in _ENDS.items()}
    p_better = None if against is None else against["p_better"]["estimate"]
    return {**columns, "p_better": p_better, "verdict": None if against is None else verdict(against)}


def points_table(rows: Iterable[Row]) -> bytes:
    """One line a point: headline means, and what became of test NLL."""
    return as_csv(
        {
            "variant": row["variant"],
            "point": row["name"],
            "seeds": row["seeds"],
            **{name: row["metrics"][name]["mean"] for name in HEADLINE},
            **{f"nll_{name}": value for name, value in _difference(row["against_reference"].get("test/nll")).items()},
        }
        for row in rows
    )


def as_csv(rows: Iterable[Mapping[str, object]]) -> bytes:
    """Rows of equal keys as CSV; None is an empty cell."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_json(content: object) -> bytes:
    """Content as JSON, equal bytes for equal content in equal order; ten times faster than `json` with an indent."""
    return to_json(content, indent=1)


def verdict(against: Mapping[str, Any]) -> str:
    """What a comparison says, or that there is none."""
    return "not compared" if against["left_out"] else str(against["verdict"])
