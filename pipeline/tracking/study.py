"""What the tracking server says of a study: one record a point, under one a variant, and one that holds the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.points import Point, Regularizers
from pipeline.tracking import views
from pipeline.tracking.artifacts import HEADLINE, Row, as_json, dataset_of, points_table, tables_of, verdict
from pipeline.tracking.records import Experiment, Record
from pipeline.training.member import HISTORY

Arrays = Mapping[str, NDArray[Any]]
CURVES = HISTORY
COMPARED = ("dropout", "weight_decay", "label_smoothing")
AGAINST = ("test/nll", "test/ece", "gap/nll")
VIEW = "points"
CURRENT = 'tags.superseded = "false"'


def records_of(results: Mapping[str, Any], arrays: Sequence[Arrays], figures: Mapping[str, Path]) -> list[Record]:
    """One record a variant, one a point, and one for the study, which comes last so that the UI lists it first.

    Args:
        results: a finished table with its answer.
        arrays: each point's `score/*` and `history/*`.
        figures: drawn figures by path, those of a point as "points/<variant>/<name>.png"; those that lack are left out.
    """
    points = results["points"]
    shown = _shown(points)
    variants = dict.fromkeys(row["variant"] for row in points)
    return [
        *(_variant_record(results, name) for name in variants),
        *(_point_record(results, row, found, shown, figures) for row, found in zip(points, arrays, strict=True)),
        _study_record(results, list(variants), figures),
    ]


def experiment_of(results: Mapping[str, Any], records: Sequence[Record]) -> Experiment:
    """What the page of a data set's experiment says, and how it shows the points among its records."""
    dataset = results["dataset"]["name"]
    groups = {name.rpartition("/")[0] for record in records for name, _, _ in record.metrics}
    return Experiment(
        name=experiment(dataset),
        description=(
            f"{results['answer']['sentence']}\n\n"
            f"Every point of the study on `{dataset}`, a complete choice of hyperparameters, is a run under the run of "
            "its variant: "
            f"compare them in [charts](charts:{VIEW}) or in [a table](table:{VIEW}), also found under *Views*. "
            "Select runs and press *Compare* for any other comparison. "
            f"The run `answer` holds the study's figures and tables. Filter by `{CURRENT}` to hide earlier results."
        ),
        views={VIEW: _view(sorted(groups))},
    )


def experiment(dataset: str) -> str:
    """The experiment in which a data set's runs are found; the data set first, for the UI cuts long names."""
    return f"{dataset} regularization"


def _view(groups: Sequence[str]) -> str:
    """All points, best first: their headline numbers, how these depend on three regularizers, and training curves."""
    return views.saved(
        "Points, compared",
        columns=[
            views.tag("verdict"),
            *map(views.metric, (*AGAINST, "test_ts/nll", "test/accuracy")),
            *map(views.param, COMPARED),
            "attributes.`Description`",
        ],
        search=f'{CURRENT} AND tags.level = "point"',
        order_by=views.metric("test/nll"),
        sections=[
            views.section("Regularizers and results", [views.parallel(COMPARED, AGAINST)], columns=1, height=420),
            views.section("Results", [views.bars(name) for name in AGAINST], columns=3, height=520),
            views.section(
                "Training curves",
                [views.lines(f"curves/{split}/nll") for split in ("train", "validation")],
                columns=2,
                height=420,
            ),
        ],
        folded=groups,
    )


def _variant_record(results: Mapping[str, Any], variant: str) -> Record:
    dataset = results["dataset"]["name"]
    rows = [row for row in results["points"] if row["variant"] == variant]
    listed = ", ".join(f"{_link(dataset, row)} {_mean(row['metrics']['test/nll'])} ({outcome(row)})" for row in rows)
    return Record(
        key=_key(dataset, variant),
        experiment=experiment(dataset),
        name=variant,
        description=(
            f"Variant `{variant}` on `{dataset}`, part of [the study](record:{_key(dataset)}); its points, one run "
            f"each, with test NLL and verdict: {listed}. See also `tables/points.csv`.\n\n"
            f"Earlier results are kept as history; the filter `{CURRENT}` hides them."
        ),
        tags={"dataset": dataset, "variant": variant, "level": "variant"},
        artifacts={"tables/points.csv": points_table(rows)},
    )


def _study_record(results: Mapping[str, Any], variants: Sequence[str], figures: Mapping[str, Path]) -> Record:
    dataset, answer = results["dataset"], results["answer"]
    name = dataset["name"]
    reference = results["points"][results["reference"]["index"]]
    listed = ", ".join(f"[{variant}](record:{_key(name, variant)})" for variant in variants)
    return Record(
        key=_key(name),
        experiment=experiment(name),
        name="answer",
        description=(
            f"{answer['sentence']}\n\n"
            f"Compared on test with {_link(name, reference)}, chosen on validation: {_choices(name, answer)}. "
            f"Look at `figures/`, at `tables/points.csv`, and at all points in [charts](charts:{VIEW}) or in "
            f"[a table](table:{VIEW}).\n\nVariants: {listed}."
        ),
        tags={"dataset": name, "level": "study", "recommendation": answer["after_scaling"]["recommendation"]},
        metrics=list(chosen_metrics(results)),
        artifacts={
            **{f"figures/{path}": file for path, file in _drawn(figures).items() if not path.startswith("points/")},
            "tables/points.csv": points_table(results["points"]),
            "answer.json": as_json(answer),
        },
        dataset=dataset_of(dataset),
    )


def _choices(dataset: str, answer: Mapping[str, Any]) -> str:
    """Links to the points that were chosen with and without temperature scaling, often the same one."""
    chosen = {answer[stage]["key"]: _link(dataset, answer[stage]) for stage in ("after_scaling", "plain")}
    return " with temperature scaling and without it ".join(chosen.values())


def chosen_metrics(results: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    """The chosen point's headline means, under names of their own, or the study would be drawn as one more point."""
    chosen = next(row for row in results["points"] if row["key"] == results["answer"]["after_scaling"]["key"])
    yield from ((f"chosen/{name}", _number(chosen["metrics"][name]["mean"]), 0) for name in HEADLINE)


def _key(dataset: str, *parts: str) -> str:
    return "/".join([dataset, *parts])


def _link(dataset: str, row: Row) -> str:
    return f"[{row['name']}](record:{_key(dataset, row['variant'], row['name'])})"


def _drawn(figures: Mapping[str, Path]) -> dict[str, Path]:
    """The figures that the UI previews best, of those that are drawn in several formats."""
    return {path: file for path, file in figures.items() if path.endswith(".png")}


def _point_record(
    results: Mapping[str, Any], row: Row, arrays: Arrays, shown: Sequence[str], figures: Mapping[str, Path]
) -> Record:
    dataset = results["dataset"]
    name, variant = dataset["name"], row["variant"]
    diagram = _drawn(figures).get(f"points/{variant}/{row['name']}.png")
    return Record(
        key=_key(name, variant, row["name"]),
        experiment=experiment(name),
        name=row["name"],
        parent=_key(name, variant),
        description=_description(results, row, drawn=diagram is not None),
        params={field: _value(row["parameters"][field]) for field in shown},
        tags={
            "dataset": name,
            "variant": variant,
            "level": "point",
            "verdict": outcome(row),
            "dvc.md5.data": dataset["md5"],
            "dvc.md5.members": row["md5"],
            **{f"fixed.{field}": str(_value(v)) for field, v in row["parameters"].items() if field not in shown},
        },
        metrics=[*metrics_of(row, arrays), *_curves(arrays)],
        artifacts={**tables_of(row), **({} if diagram is None else {"figures/reliability.png": diagram})},
        dataset=dataset_of(dataset),
    )


def outcome(row: Row) -> str:
    """What became of test NLL, in a word."""
    against = row["against_reference"].get("test/nll")
    if against is None:
        return "reference"
    return "duplicate" if row["duplicate"] else verdict(against)


def _shown(points: Sequence[Row]) -> list[str]:
    """Every regularizer, the learning rate, and what else differs between points: constants are not worth a column."""
    fields = [field for field in Point.model_fields if any(field in row["parameters"] for row in points)]
    differs = [field for field in fields if len({str(row["parameters"][field]) for row in points}) > 1]
    return [
        field for field in fields if field in Regularizers.model_fields or field in differs or field == "learning_rate"
    ]


def _value(value: Any) -> str | float | int:
    """Numbers as they are, so that the UI can draw them on an axis; widths as text."""
    if isinstance(value, bool):
        return int(value)
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else value


def metrics_of(row: Row, arrays: Arrays) -> Iterator[tuple[str, float, int]]:
    """Means; intervals, comparison and each seed's value of the headline metrics."""
    for name, entry in row["metrics"].items():
        yield name, _number(entry["mean"]), 0
    for name in HEADLINE:
        yield from ((f"interval/{name}/{end}", _number(row["metrics"][name][end]), 0) for end in ("low", "high"))
        yield from ((f"seeds/{name}", float(value), seed) for seed, value in enumerate(arrays[f"score/{name}"]))
        if compared := row["against_reference"].get(name):
            yield f"against_none/{name}", _number(compared["difference"]), 0
            yield from ((f"against_none/{name}/{end}", _number(compared[end]), 0) for end in ("low", "high"))
            yield f"p_better/{name}", _number(compared["p_better"]["estimate"]), 0


def _curves(arrays: Arrays) -> Iterator[tuple[str, float, int]]:
    """Mean training curves by epoch."""
    epochs = arrays["history/epoch"].tolist()
    for name in CURVES:
        with np.errstate(over="ignore", invalid="ignore"):  # a diverged seed's curve leaves no finite mean
            means = arrays[f"history/{name}"].mean(0)
        yield from ((f"curves/{name}", float(value), epoch) for epoch, value in zip(epochs, means, strict=True))


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _description(results: Mapping[str, Any], row: Row, *, drawn: bool) -> str:
    """What the run is, what was found, and what to look at, in a sentence each."""
    dataset = results["dataset"]["name"]
    variant = f"[{row['variant']}](record:{_key(dataset, row['variant'])})"
    reference = results["points"][results["reference"]["index"]]
    diagram = "`figures/reliability.png`, " * drawn
    return (
        f"`{row['name']}`, a point of variant {variant}: {row['seeds']} networks trained on `{dataset}`, one a seed. "
        f"{finding(row, _link(dataset, reference), results['protocol'])} "
        f"Look at {diagram}`tables/metrics.csv` and the charts of `curves/`."
    )


def finding(row: Row, reference: str, protocol: Mapping[str, Any]) -> str:
    """What was found about a point, in a sentence or two; `reference` is a link to what it is compared with."""
    nll, ece = row["metrics"]["test/nll"], row["metrics"]["test/ece"]
    means = f"Test NLL is {_mean(nll)} and ECE {_mean(ece)}"
    against = row["against_reference"].get("test/nll")
    if against is None:
        return f"{means}. All other points are compared with this one."
    if against["left_out"]:
        return f"{means}. Not compared: {against['left_out']}."
    if row["duplicate"]:
        return f"{means}. It is {reference} itself, the same network on the same seeds."
    change = f"{signed(against['difference'])} [{signed(against['low'])}, {signed(against['high'])}]"
    level = f"{protocol['confidence']:.0%} interval over paired seeds"
    return f"{means}; against {reference} NLL changes by {change} ({level}), verdict: **{against['verdict']}**."


def _mean(entry: Mapping[str, Any]) -> str:
    """A mean, or in words that there is none."""
    if entry["mean"] is not None:
        return f"{entry['mean']:.4f}"
    seeds = entry.get("not_finite")
    return f"not finite (in {seeds} of the seeds)" if seeds else "not finite"


def signed(value: float | None) -> str:
    """A change, or in words that there is none."""
    return "not finite" if value is None else f"{value:+.4f}"
