"""Run builder: the metrics, tags, tables and sentences of runs, alike in studies and searches."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.data.schema import ColumnSummary, Kind
from pipeline.metrics.names import MetricName
from pipeline.results.dataset import DatasetSummary
from pipeline.results.study import Comparison, Measured, MetricSummary, PointResult, ProtocolSummary, StudyResults
from pipeline.tracking.runs import DatasetInfo, RunRecord

Arrays = Mapping[str, np.ndarray]
Metric = tuple[str, float, int]
Cell = str | float | int | bool | None
NLL, ECE = MetricName.parse("test/nll"), MetricName.parse("test/ece")
HEADLINE = (
    NLL,
    *map(
        MetricName.parse,
        ("test/accuracy", "test/ece", "test/debiased", "gap/nll", "test_calibrated/nll", "test_calibrated/ece"),
    ),
)
AGAINST = ("test/nll", "test/ece", "gap/nll")
CURRENT = 'tags.superseded = "false"'
_COMPARED = ("against_reference", "against_answer")
_FAMILY = {name: {"__all__": {"p_holm"}} for name in _COMPARED}  # depends on which other points there are


def _dataset_info(dataset: DatasetSummary) -> DatasetInfo:
    """What MLflow's panel of data sets says: of the user's own table the columns of the file, as it was understood."""
    columns: list[dict[str, str | bool]]
    columns = [{"name": name, "type": "float", "required": True} for name in dataset.feature_names]
    profile: dict[str, object] = {"num_rows": dataset.rows, "num_elements": dataset.rows * dataset.features}
    if dataset.table is not None:
        columns = [_column(each) for each in dataset.table.summaries]
        profile["understood"] = {each.name: _meaning(each) for each in dataset.table.summaries}
        profile["findings"] = [each.text for each in dataset.table.findings]
    return DatasetInfo(
        name=dataset.name,
        digest=dataset.md5,
        source=f"data/{dataset.name}.safetensors",
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps(profile),
    )


def _column(column: ColumnSummary) -> dict[str, str | bool]:
    types: dict[Kind, str] = {"number": "double", "date": "datetime", "yes-no": "boolean"}
    return {"name": column.name, "type": types.get(column.kind, "string"), "required": not column.missing}


def _meaning(column: ColumnSummary) -> str:
    role = "" if column.role == "feature" else f"{column.role}, "
    return f"{role}{column.kind}{f' ({column.remark})' if column.remark else ''}"


def point_run(draft: RunRecord, results: StudyResults, point: Measured, arrays: Arrays) -> RunRecord:
    """The run of a point or a baseline: verdict, metrics, tables and data set, beside what the draft says.

    Args:
        draft: the run's names, description, params, and what only runs of its kind have.
        results: the study or search that it belongs to.
        point: the point or baseline.
        arrays: its `score/*`.
    """
    tags = {"dataset": results.dataset.name, "verdict": outcome(point), "dvc.md5.data": results.dataset.md5}
    content = point.model_dump_json(indent=1, exclude=_FAMILY).encode()
    tables = {"results.json": content, "tables/metrics.csv": _metrics_table(point)}
    return replace(
        draft,
        tags={**tags, **draft.tags},
        metrics=[*_metrics(point, arrays), *draft.metrics],
        artifacts={**tables, **draft.artifacts},
        dataset=_dataset_info(results.dataset),
    )


def answer_run(
    results: StudyResults, *, experiment: str, description: str, artifacts: Mapping[str, bytes | Path]
) -> RunRecord:
    """The run that holds an answer, with the chosen point's headline means.

    Their names are their own, or the answer would be drawn as one more point.
    """
    dataset, answer = results.dataset, results.answer
    chosen = results.point(answer.key)
    tables = {
        "tables/points.csv": points_table(results.points),
        "answer.json": answer.model_dump_json(indent=1).encode(),
    }
    return RunRecord(
        key=dataset.name,
        experiment=experiment,
        name="answer",
        description=f"{answer.sentence}\n\n{description}",
        tags={"dataset": dataset.name, "level": "study", "recommendation": answer.recommendation},
        metrics=[(f"chosen/{name}", number(chosen.mean(name)), 0) for name in HEADLINE],
        artifacts={**artifacts, **tables},
        dataset=_dataset_info(dataset),
    )


def _metrics(point: Measured, arrays: Arrays) -> Iterator[Metric]:
    """Means; intervals, comparison and each seed's value of the headline metrics."""
    for name, summary in point.metrics.items():
        yield str(name), number(summary.mean), 0
    for name in HEADLINE:
        summary, compared = point.metrics[name], point.comparison(name)
        yield f"interval/{name}/low", number(summary.low), 0
        yield f"interval/{name}/high", number(summary.high), 0
        yield from ((f"seeds/{name}", float(value), seed) for seed, value in enumerate(arrays[f"score/{name}"]))
        if compared:
            yield from changes("none", name, compared)
            yield f"p_better/{name}", number(compared.p_better.estimate), 0


def changes(reference: str, name: MetricName, compared: Comparison) -> Iterator[Metric]:
    """A difference from a reference, with its interval."""
    yield f"against_{reference}/{name}", number(compared.difference), 0
    yield f"against_{reference}/{name}/low", number(compared.low), 0
    yield f"against_{reference}/{name}/high", number(compared.high), 0


def _metrics_table(point: Measured) -> bytes:
    """Every metric of a point, headline first: mean and interval, difference from the reference where compared."""
    return as_csv(
        {
            "metric": str(name),
            **point.metrics[name].model_dump(include={"mean", "low", "high"}),
            **_difference(point.comparison(name)),
        }
        for name in dict.fromkeys([*HEADLINE, *point.metrics])
    )


def _difference(compared: Comparison | None) -> dict[str, Cell]:
    if compared is None:
        return dict.fromkeys(("difference", "difference_low", "difference_high", "p_better", "verdict"))
    return {
        "difference": compared.difference,
        "difference_low": compared.low,
        "difference_high": compared.high,
        "p_better": compared.p_better.estimate,
        "verdict": _verdict(compared),
    }


def points_table(points: Iterable[PointResult]) -> bytes:
    """One line a point: headline means, and what became of test NLL."""
    return as_csv(
        {
            "variant": point.variant,
            "point": point.name,
            "seeds": point.seeds,
            **{str(name): point.mean(name) for name in HEADLINE},
            **{f"nll_{name}": value for name, value in _difference(point.comparison(NLL)).items()},
        }
        for point in points
    )


def as_csv(rows: Iterable[Mapping[str, Cell]]) -> bytes:
    """Rows of equal keys as CSV; None is an empty cell."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def outcome(point: Measured) -> str:
    """What became of test NLL, in a word."""
    compared = point.comparison(NLL)
    if compared is None:
        return "reference"
    return "duplicate" if _is_duplicate(point) else _verdict(compared)


def _is_duplicate(point: Measured) -> bool:
    return isinstance(point, PointResult) and point.duplicate


def _verdict(compared: Comparison) -> str:
    return "not compared" if compared.left_out else compared.verdict


def finding(point: Measured, reference: str, protocol: ProtocolSummary) -> str:
    """A point's test NLL and its comparison, in a sentence or two; `reference` links to what it is compared with."""
    means = f"Test NLL is {mean_text(point.metrics[NLL])} and ECE {mean_text(point.metrics[ECE])}"
    compared = point.comparison(NLL)
    if compared is None:
        return f"{means}. All other points are compared with this one."
    if compared.left_out:
        return f"{means}. Not compared: {compared.left_out}."
    if _is_duplicate(point):
        return f"{means}. It is {reference} itself, the same network on the same seeds."
    change = change_text(compared.difference, compared.low, compared.high)
    level = f"{protocol.confidence:.0%} interval over paired seeds"
    return f"{means}; against {reference} NLL changes by {change} ({level}), verdict: **{compared.verdict}**."


def mean_text(summary: MetricSummary) -> str:
    """A mean, or in words that there is none."""
    if summary.mean is not None:
        return f"{summary.mean:.4f}"
    return f"not finite (in {summary.not_finite} of the seeds)" if summary.not_finite else "not finite"


def change_text(difference: float | None, low: float | None, high: float | None) -> str:
    """A change with its interval; in words where a number is not finite."""
    middle, *ends = ("not finite" if value is None else f"{value:+.4f}" for value in (difference, low, high))
    return f"{middle} [{', '.join(ends)}]"


def number(value: float | None) -> float:
    """NaN where there is no number, as MLflow shows it."""
    return np.nan if value is None else value
