"""Study in MLflow: a run a point, under one a variant, and one that holds the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.config.points import Regularizers
from pipeline.metrics.names import MetricName
from pipeline.results.calibrators import CalibratorResults
from pipeline.results.readable_names import readable, readable_arms
from pipeline.results.search import SearchResults
from pipeline.results.study import PointResult, StudyResults
from pipeline.tracking import builder, views
from pipeline.tracking.builder import AGAINST, CURRENT, Arrays, Metric
from pipeline.tracking.runs import ExperimentPage, RunRecord, Value
from pipeline.tracking.times import Clock, nobody_knows

CURVES = ("train/nll", "validation/nll")
"""Of a run's history; accuracy follows them."""
COMPARED = ("dropout", "weight_decay", "label_smoothing")
VIEW = "points"


def records_of(
    results: StudyResults,
    arrays: Sequence[Arrays],
    figures: Mapping[str, Path],
    *,
    searched: SearchResults | None = None,
    calibrators: CalibratorResults | None = None,
    clock: Clock = nobody_knows,
) -> list[RunRecord]:
    """A record a variant, a point, and one for the answer, which comes last so that the UI lists it first.

    Args:
        results: a finished study.
        arrays: each point's `score/*` and `history/*`.
        figures: PNG files by path, those of a point as "points/<variant>/<name>.png"; those that lack are left out.
        searched: what the search recommends, which is the answer, where there has been one.
        calibrators: whether verdicts survive other calibrators, where that is known.
        clock: says when each point's members were trained.
    """
    variants = list(dict.fromkeys(point.variant for point in results.points))
    return [
        *(_variant_record(results, variant) for variant in variants),
        *(
            _point_record(results, point, of_point, figures=figures, clock=clock)
            for point, of_point in zip(results.points, arrays, strict=True)
        ),
        _answer_record(results, searched, figures, calibrators),
    ]


def experiment_of(
    results: StudyResults, records: Sequence[RunRecord], searched: SearchResults | None = None
) -> ExperimentPage:
    """What the page of a data set's experiment says, and how it shows the points among its records."""
    answered, name = _answered(results, searched)
    dataset = results.dataset.name
    groups = {name.rpartition("/")[0] for record in records for name, _, _ in record.metrics}
    return ExperimentPage(
        name=experiment(dataset),
        description=(
            f"{builder.sentence(answered, name=name)}\n\n"
            f"Every point of the study on `{dataset}`, a complete choice of hyperparameters, is a run under the run of "
            "its variant: "
            f"compare them in [charts](charts:{VIEW}) or in [a table](table:{VIEW}), also found under *Views*. "
            "Select runs and press *Compare* for any other comparison. "
            f"The run `answer` holds the study's figures and tables. Filter by `{CURRENT}` to hide earlier results."
        ),
        views={VIEW: _view(results, sorted(groups))},
    )


def experiment(dataset: str) -> str:
    """The experiment in which a data set's runs are; the data set first, for the UI cuts long names."""
    return f"{dataset} regularization"


def _view(results: StudyResults, groups: Sequence[str]) -> str:
    """All points and baselines, ordered by what the choice was made by: headline numbers, and on what these depend."""
    curves = [views.lines(f"curves/{name}") for name in CURVES]
    against = [str(results.reference_point.decisive(MetricName.parse(name))) for name in AGAINST]
    tuned = builder.tuned_by(results.answer.objective)
    return views.saved(
        "Points, compared",
        columns=views.headline_columns(tuned, against, COMPARED),
        search=views.COMPARED,
        order_by=views.metric(tuned),
        sections=[
            views.section("Regularizers and results", [views.parallel(COMPARED, against)], columns=1, height=420),
            views.section("Results", [views.bars(name) for name in against], columns=3, height=520),
            views.section("Training curves", curves, columns=2, height=420),
        ],
        folded=groups,
    )


def _variant_record(results: StudyResults, variant: str) -> RunRecord:
    dataset = results.dataset.name
    points = [point for point in results.points if point.variant == variant]
    listed = ", ".join(
        f"{_link(results, point)} {builder.mean_text(point.metrics[builder.LOSS])} ({builder.outcome(point)})"
        for point in points
    )
    return RunRecord(
        key=f"{dataset}/{variant}",
        experiment=experiment(dataset),
        name=readable(variant),
        description=(
            f"Variant `{variant}` on `{dataset}`, part of [the study](record:{dataset}); its points, one run "
            f"each, with test NLL after calibration and verdict: {listed}. See also `tables/points.csv`.\n\n"
            f"Earlier results are kept as history; the filter `{CURRENT}` hides them."
        ),
        tags={"dataset": dataset, "variant": variant, "level": "variant"},
        artifacts={"tables/points.csv": builder.points_table(points)},
    )


def _answered(results: StudyResults, searched: SearchResults | None) -> tuple[StudyResults, Callable[[str], str]]:
    """Whose answer holds, and what writes its names: the search has tuned what the study sets beforehand."""
    return (results, readable) if searched is None else (searched.results, readable_arms)


def _answer_record(
    results: StudyResults,
    searched: SearchResults | None,
    figures: Mapping[str, Path],
    calibrators: CalibratorResults | None,
) -> RunRecord:
    answered, name = _answered(results, searched)
    dataset, chosen = results.dataset.name, results.point(results.answer.key)
    variants = dict.fromkeys(point.variant for point in results.points)
    tables = {} if calibrators is None else {"calibrators.json": calibrators.model_dump_json(indent=1).encode()}
    listed = ", ".join(f"[{readable(variant)}](record:{dataset}/{variant})" for variant in variants)
    return builder.answer_run(
        answered,
        experiment=experiment(dataset),
        description=(
            f"Of the points of this study, whose strengths were set beforehand, validation prefers "
            f"{_link(results, chosen)}; all are compared on test with {_link(results, results.reference_point)}. "
            f"Look at `figures/`, at `tables/points.csv`, and at all points in [charts](charts:{VIEW}) or in "
            f"[a table](table:{VIEW}).\n\nVariants: {listed}."
        ),
        params=_params(results, answered.point(answered.recommended)),
        name=name,
        artifacts={
            "tables/points.csv": builder.points_table(results.points),
            **{f"figures/{path}": file for path, file in figures.items() if not path.startswith("points/")},
            **tables,
        },
    )


def _link(results: StudyResults, point: PointResult) -> str:
    key = f"{results.dataset.name}/{point.variant}/{point.name}"
    return f"[{readable(point.key)}](record:{key})"


def _point_record(
    results: StudyResults, point: PointResult, arrays: Arrays, *, figures: Mapping[str, Path], clock: Clock
) -> RunRecord:
    dataset, params = results.dataset.name, _params(results, point)
    fixed = {name: str(_value(value)) for name, value in point.parameters if name not in params}
    diagram = figures.get(f"points/{point.variant}/{point.name}.png")
    draft = RunRecord(
        key=f"{dataset}/{point.variant}/{point.name}",
        experiment=experiment(dataset),
        name=readable(point.key),
        parent=f"{dataset}/{point.variant}",
        description=_description(results, point, has_diagram=diagram is not None),
        params=params,
        tags={
            "variant": point.variant,
            "level": "point",
            "dvc.md5.members": point.md5,
            **{f"fixed.{name}": value for name, value in fixed.items()},
        },
        metrics=[*builder.tuned(point), *_curves(arrays)],
        times=clock(point.md5),
        artifacts={} if diagram is None else {"figures/reliability.png": diagram},
    )
    return builder.point_run(draft, results, point, arrays)


def _params(results: StudyResults, point: PointResult) -> dict[str, Value]:
    """Every regularizer, the learning rate, and what else differs between points: constants are not worth a column."""
    always = {*Regularizers.model_fields, "learning_rate"}
    return {
        name: _value(value)
        for name, value in point.parameters
        if name in always or len({str(getattr(each.parameters, name)) for each in results.points}) > 1
    }


def _value(value: Value | Sequence[int]) -> Value:
    """Numbers as they are, so that the UI can draw them on an axis; widths as text."""
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, str | int | float) else "x".join(map(str, value))


def _curves(arrays: Arrays) -> Iterator[Metric]:
    """Mean training curves by epoch."""
    epochs = arrays["history/epoch"].tolist()
    for name in CURVES:
        with np.errstate(over="ignore", invalid="ignore"):  # a diverged seed's curve leaves no finite mean
            means = arrays[f"history/{name}"].mean(0)
        yield from ((f"curves/{name}", float(value), epoch) for epoch, value in zip(epochs, means, strict=True))


def _description(results: StudyResults, point: PointResult, *, has_diagram: bool) -> str:
    """What the run is, its comparison with the unregularized point, and what to look at, in a sentence each."""
    dataset = results.dataset.name
    variant = f"[{readable(point.variant)}](record:{dataset}/{point.variant})"
    name = readable(point.key)
    diagram = "`figures/reliability.png`, " * has_diagram
    return (
        f"{name}, a point of variant {variant}: {point.seeds} networks trained on `{dataset}`, one a seed. "
        f"{builder.finding(point, _link(results, results.reference_point), results.protocol)} "
        f"Look at {diagram}`tables/metrics.csv` and the charts of `curves/`."
    )
