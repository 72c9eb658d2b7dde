"""Study in MLflow: a run a point, under one a variant, and one that holds the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.config.points import Point, Regularizers
from pipeline.results.calibrators import CalibratorResults
from pipeline.results.study import Answer, PointResult, StudyResults
from pipeline.tracking import builder, views
from pipeline.tracking.builder import AGAINST, CURRENT, Arrays, Metric
from pipeline.tracking.runs import ExperimentPage, RunRecord, Value
from pipeline.training.member import HISTORY

COMPARED = ("dropout", "weight_decay", "label_smoothing")
VIEW = "points"


def records_of(
    results: StudyResults,
    arrays: Sequence[Arrays],
    figures: Mapping[str, Path],
    *,
    calibrators: CalibratorResults | None = None,
) -> list[RunRecord]:
    """A record a variant, a point, and one for the answer, which comes last so that the UI lists it first.

    Args:
        results: a finished study.
        arrays: each point's `score/*` and `history/*`.
        figures: PNG files by path, those of a point as "points/<variant>/<name>.png"; those that lack are left out.
        calibrators: whether verdicts survive other calibrators, where that is known.
    """
    shown = _shown(results.points)
    variants = list(dict.fromkeys(point.variant for point in results.points))
    return [
        *(_variant_record(results, variant) for variant in variants),
        *(
            _point_record(results, point, of_point, shown=shown, figures=figures)
            for point, of_point in zip(results.points, arrays, strict=True)
        ),
        _answer_record(results, variants, figures, calibrators),
    ]


def experiment_of(results: StudyResults, records: Sequence[RunRecord]) -> ExperimentPage:
    """What the page of a data set's experiment says, and how it shows the points among its records."""
    dataset = results.dataset.name
    groups = {name.rpartition("/")[0] for record in records for name, _, _ in record.metrics}
    return ExperimentPage(
        name=experiment(dataset),
        description=(
            f"{results.answer.sentence}\n\n"
            f"Every point of the study on `{dataset}`, a complete choice of hyperparameters, is a run under the run of "
            "its variant: "
            f"compare them in [charts](charts:{VIEW}) or in [a table](table:{VIEW}), also found under *Views*. "
            "Select runs and press *Compare* for any other comparison. "
            f"The run `answer` holds the study's figures and tables. Filter by `{CURRENT}` to hide earlier results."
        ),
        views={VIEW: _view(sorted(groups))},
    )


def experiment(dataset: str) -> str:
    """The experiment in which a data set's runs are; the data set first, for the UI cuts long names."""
    return f"{dataset} regularization"


def _view(groups: Sequence[str]) -> str:
    """All points and baselines, best first: headline numbers, how these depend on regularizers, and training curves."""
    curves = [views.lines(f"curves/{split}/nll") for split in ("train", "validation")]
    return views.saved(
        "Points, compared",
        columns=views.headline_columns(AGAINST, COMPARED),
        search=f'{CURRENT} AND tags.verdict != ""',
        order_by=views.metric("test/nll"),
        sections=[
            views.section("Regularizers and results", [views.parallel(COMPARED, AGAINST)], columns=1, height=420),
            views.section("Results", [views.bars(name) for name in AGAINST], columns=3, height=520),
            views.section("Training curves", curves, columns=2, height=420),
        ],
        folded=groups,
    )


def _variant_record(results: StudyResults, variant: str) -> RunRecord:
    dataset = results.dataset.name
    points = [point for point in results.points if point.variant == variant]
    listed = ", ".join(
        f"{_link(dataset, point)} {builder.mean_text(point.metrics[builder.NLL])} ({builder.outcome(point)})"
        for point in points
    )
    return RunRecord(
        key=f"{dataset}/{variant}",
        experiment=experiment(dataset),
        name=variant,
        description=(
            f"Variant `{variant}` on `{dataset}`, part of [the study](record:{dataset}); its points, one run "
            f"each, with test NLL and verdict: {listed}. See also `tables/points.csv`.\n\n"
            f"Earlier results are kept as history; the filter `{CURRENT}` hides them."
        ),
        tags={"dataset": dataset, "variant": variant, "level": "variant"},
        artifacts={"tables/points.csv": builder.points_table(points)},
    )


def _answer_record(
    results: StudyResults,
    variants: Sequence[str],
    figures: Mapping[str, Path],
    calibrators: CalibratorResults | None,
) -> RunRecord:
    dataset, answer = results.dataset.name, results.answer
    tables = {} if calibrators is None else {"calibrators.json": calibrators.model_dump_json(indent=1).encode()}
    listed = ", ".join(f"[{variant}](record:{dataset}/{variant})" for variant in variants)
    return builder.answer_run(
        results,
        experiment=experiment(dataset),
        description=(
            f"Compared on test with {_link(dataset, results.reference_point)}, chosen on validation: "
            f"{_link(dataset, answer)}. "
            f"Look at `figures/`, at `tables/points.csv`, and at all points in [charts](charts:{VIEW}) or in "
            f"[a table](table:{VIEW}).\n\nVariants: {listed}."
        ),
        artifacts={
            **{f"figures/{path}": file for path, file in figures.items() if not path.startswith("points/")},
            **tables,
        },
    )


def _link(dataset: str, point: PointResult | Answer) -> str:
    return f"[{point.name}](record:{dataset}/{point.variant}/{point.name})"


def _point_record(
    results: StudyResults, point: PointResult, arrays: Arrays, *, shown: Sequence[str], figures: Mapping[str, Path]
) -> RunRecord:
    dataset = results.dataset.name
    values = {name: _value(value) for name, value in point.parameters}
    diagram = figures.get(f"points/{point.variant}/{point.name}.png")
    draft = RunRecord(
        key=f"{dataset}/{point.variant}/{point.name}",
        experiment=experiment(dataset),
        name=point.name,
        parent=f"{dataset}/{point.variant}",
        description=_description(results, point, has_diagram=diagram is not None),
        params={name: values[name] for name in shown},
        tags={
            "variant": point.variant,
            "level": "point",
            "dvc.md5.members": point.md5,
            **{f"fixed.{name}": str(value) for name, value in values.items() if name not in shown},
        },
        metrics=list(_curves(arrays)),
        artifacts={} if diagram is None else {"figures/reliability.png": diagram},
    )
    return builder.point_run(draft, results, point, arrays)


def _shown(points: Sequence[PointResult]) -> list[str]:
    """Every regularizer, the learning rate, and what else differs between points: constants are not worth a column."""
    always = {*Regularizers.model_fields, "learning_rate"}
    return [
        name
        for name in Point.model_fields
        if name in always or len({str(getattr(point.parameters, name)) for point in points}) > 1
    ]


def _value(value: Value | Sequence[int]) -> Value:
    """Numbers as they are, so that the UI can draw them on an axis; widths as text."""
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, str | int | float) else "x".join(map(str, value))


def _curves(arrays: Arrays) -> Iterator[Metric]:
    """Mean training curves by epoch."""
    epochs = arrays["history/epoch"].tolist()
    for name in HISTORY:
        with np.errstate(over="ignore", invalid="ignore"):  # a diverged seed's curve leaves no finite mean
            means = arrays[f"history/{name}"].mean(0)
        yield from ((f"curves/{name}", float(value), epoch) for epoch, value in zip(epochs, means, strict=True))


def _description(results: StudyResults, point: PointResult, *, has_diagram: bool) -> str:
    """What the run is, its comparison with the unregularized point, and what to look at, in a sentence each."""
    dataset = results.dataset.name
    variant = f"[{point.variant}](record:{dataset}/{point.variant})"
    diagram = "`figures/reliability.png`, " * has_diagram
    return (
        f"`{point.name}`, a point of variant {variant}: {point.seeds} networks trained on `{dataset}`, one a seed. "
        f"{builder.finding(point, _link(dataset, results.reference_point), results.protocol)} "
        f"Look at {diagram}`tables/metrics.csv` and the charts of `curves/`."
    )
