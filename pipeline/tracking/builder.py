"""Run builder: the metrics, tags, tables and sentences of runs, alike in studies and searches."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.data.schema import ColumnSummary, Kind
from pipeline.metrics.names import STAGES, MetricName, Stage
from pipeline.results.answer import Notation, answer_sentence
from pipeline.results.dataset import DatasetSummary
from pipeline.results.readable_names import readable
from pipeline.results.study import Comparison, Measured, MetricSummary, PointResult, ProtocolSummary, StudyResults
from pipeline.tracking.runs import DatasetInfo, RunRecord, Value

Arrays = Mapping[str, np.ndarray]
Metric = tuple[str, float, int]
Cell = str | float | int | bool | None
NLL, LOSS = (MetricName("test", stage, "nll") for stage in STAGES)
"""As trained, and after calibration, which decides."""
HEADLINE = (
    LOSS,
    MetricName.parse("test_calibrated/ece"),
    NLL,
    *map(MetricName.parse, ("gap/nll", "test/ece", "test/accuracy")),
)
"""The means that a run shows; all others are in its artifacts."""
AGAINST = ("test_calibrated/nll", "test/ece", "gap/nll")
CURRENT = 'tags.superseded = "false"'
VERDICTS: dict[Stage, str] = {"before": "verdict.as_trained", "after": "verdict.after_calibration"}
"""Tags: what became of test NLL."""
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
    """The run of a point or a baseline: verdicts, metrics, tables and data set, beside what the draft says.

    Args:
        draft: the run's names, description, params, and what only runs of its kind have.
        results: the study or search that it belongs to.
        point: the point or baseline.
        arrays: its `score/*`.
    """
    verdicts = {tag: outcome(point, stage) for stage, tag in VERDICTS.items()}
    tags = {"dataset": results.dataset.name, **verdicts, "dvc.md5.data": results.dataset.md5}
    content = point.model_dump_json(indent=1, exclude=_FAMILY).encode()
    tables = {"tables/metrics.csv": _metrics_table(point), "tables/seeds.csv": _seeds_table(arrays)}
    return replace(
        draft,
        tags={**tags, **draft.tags},
        metrics=[*_metrics(point, arrays), *draft.metrics],
        artifacts={"results.json": content, **tables, **draft.artifacts},
        dataset=_dataset_info(results.dataset),
    )


def answer_run(
    answered: StudyResults,
    *,
    experiment: str,
    description: str,
    params: Mapping[str, Value],
    artifacts: Mapping[str, bytes | Path],
    name: Callable[[str], str] = readable,
) -> RunRecord:
    """The run that holds an answer, with the parameters and the headline means of what is recommended.

    The metrics' names are their own, or the answer would be drawn as one more point.

    Args:
        answered: whose answer it is: the search's, of the study only where nothing was searched.
        experiment: where the run is.
        description: what to say below the answer.
        params: of what is recommended.
        artifacts: beside the answer itself.
        name: writes a point's key as people would.
    """
    dataset, answer = answered.dataset.name, answered.answer
    chosen = answered.point(answered.recommended)
    return RunRecord(
        key=dataset,
        experiment=experiment,
        name="answer",
        description=f"{sentence(answered, name=name)}\n\n{description}",
        params=params,
        tags={
            "dataset": dataset,
            "level": "study",
            "recommendation": answer.recommendation,
            "recommended": name(answered.recommended),
        },
        metrics=[(f"recommended/{metric}", number(chosen.mean(metric)), 0) for metric in _headline(chosen)],
        artifacts={**artifacts, "answer.json": answer.model_dump_json(indent=1).encode()},
        dataset=_dataset_info(dataset=answered.dataset),
    )


def sentence(results: StudyResults, *, name: Callable[[str], str] = readable) -> str:
    """The answer, as all other surfaces word it."""
    return answer_sentence(results.answer, results.protocol, Notation(name, typeset))


def tuned(point: PointResult) -> Iterator[Metric]:
    """What the choice is made by, on validation rows of the tuning seeds; nothing of points that cannot be chosen."""
    if not point.a_a and not point.duplicate:
        yield tuned_by(point.tuning.objective), point.tuning.best.mean, 0


def tuned_by(objective: str) -> str:
    """The name of the metric that the choice is made by."""
    return f"tuning/{objective}"


def _headline(point: Measured) -> list[MetricName]:
    return [point.decisive(name) for name in HEADLINE]


def _metrics(point: Measured, arrays: Arrays) -> Iterator[Metric]:
    """Headline means, what became of test NLL, and each seed's value of what decides."""
    yield from ((str(name), number(point.mean(name)), 0) for name in _headline(point))
    decisive, trained = point.comparison(LOSS), point.comparison(NLL)
    if decisive is not None:
        yield from changes("none", LOSS, decisive)
        yield f"p_better/{LOSS}", number(decisive.p_better.estimate), 0
    if trained is not None:
        yield f"against_none/{NLL}", number(trained.difference), 0
    yield from ((f"seeds/{LOSS}", float(value), seed) for seed, value in enumerate(arrays[f"score/{LOSS}"]))


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
        for name in dict.fromkeys([*_headline(point), *point.metrics])
    )


def _seeds_table(arrays: Arrays) -> bytes:
    """A row a seed: its headline metrics."""
    columns = {str(name): arrays[f"score/{name}"].tolist() for name in HEADLINE}
    return as_csv(
        {"seed": seed, **dict(zip(columns, row, strict=True))}
        for seed, row in enumerate(zip(*columns.values(), strict=True))
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
    """One line a point: what it was chosen by, headline means, and what became of test NLL in both stages."""
    return as_csv(
        {
            "variant": point.variant,
            "point": point.name,
            "name": readable(point.key),
            "seeds": point.seeds,
            tuned_by(point.tuning.objective): point.tuning.best.mean,
            **{str(name): point.mean(point.decisive(name)) for name in HEADLINE},
            **{f"nll_calibrated_{name}": value for name, value in _difference(point.comparison(LOSS)).items()},
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


def outcome(point: Measured, stage: Stage = "after") -> str:
    """What became of test NLL, in a word."""
    compared = point.comparison(LOSS._replace(stage=stage))
    if compared is None:
        return "reference"
    return "duplicate" if _is_duplicate(point) else _verdict(compared)


def _is_duplicate(point: Measured) -> bool:
    return isinstance(point, PointResult) and point.duplicate


def _verdict(compared: Comparison) -> str:
    return "not compared" if compared.left_out else compared.finding


def finding(point: Measured, reference: str, protocol: ProtocolSummary) -> str:
    """A point's test NLL and its comparison, in a few sentences; `reference` links to what it is compared with."""
    ece = point.decisive(MetricName.parse("test_calibrated/ece"))
    means = (
        f"After calibration ({protocol.calibrator}) test NLL is {mean_text(point.metrics[LOSS])} and ECE "
        f"{mean_text(point.metrics[ece])}; as trained NLL is {mean_text(point.metrics[NLL])}"
    )
    compared, trained = point.comparison(LOSS), point.comparison(NLL)
    if compared is None or trained is None:
        return f"{means}. All other points are compared with this one."
    if compared.left_out:
        return f"{means}. Not compared: {compared.left_out}."
    if _is_duplicate(point):
        return f"{means}. It is {reference} itself, the same network on the same seeds."
    level = f"{protocol.confidence:.0%} interval over paired seeds"
    return (
        f"{means}. Against {reference} NLL after calibration changes by {_change(compared)} ({level}), verdict: "
        f"**{compared.finding}**; as trained by {_change(trained)}: **{_verdict(trained)}**."
    )


def _change(compared: Comparison) -> str:
    return change_text(compared.difference, compared.low, compared.high)


def mean_text(summary: MetricSummary) -> str:
    """A mean, or in words that there is none."""
    if summary.mean is not None:
        return f"{summary.mean:.4f}"
    return f"not finite (in {summary.not_finite} of the seeds)" if summary.not_finite else "not finite"


def change_text(difference: float | None, low: float | None, high: float | None) -> str:
    """A change with its interval; in words where a number is not finite."""
    middle, *ends = ("not finite" if value is None else typeset(value, "+.4f") for value in (difference, low, high))
    return f"{middle} [{', '.join(ends)}]"


def typeset(value: float, form: str) -> str:
    """A number by a format specification, with a minus sign for its hyphen."""
    return format(value, form).translate({ord("-"): "−"})


def number(value: float | None) -> float:
    """NaN where there is no number, as MLflow shows it."""
    return np.nan if value is None else value
