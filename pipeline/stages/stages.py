"""One short function a DVC stage: where files meet mathematics. Each returns a line that says what it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.data import datasets
from pipeline.ground import store
from pipeline.ground.errors import InputError
from pipeline.ground.layout import PARAMS, data_file, member_file, report_file, score_file
from pipeline.ground.noise import Purpose, generator
from pipeline.params import config, points, reading
from pipeline.stages.keeping import described

HISTORY = tuple(f"{split}/{measure}" for split in ("train", "validation") for measure in ("nll", "accuracy"))
PLOTTED = ("test/nll", "test/ece", "test/debiased", "test/accuracy", "gap/nll", "test_ts/nll", "test_ts/ece")
Place = tuple[str, str]  # variant and label of a point


def generate(dataset: str) -> str:
    """Draw or read a data set and divide it for every seed."""
    from pipeline.sources import sources  # noqa: PLC0415

    params = config.load(PARAMS)
    wanted = reading.look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    made = sources.build(dataset, wanted, seeds=2 * params.study.seeds)  # the second half is for the A/A check
    store.write_arrays(data_file(dataset), *datasets.to_arrays(made))
    parts = ", ".join(f"{getattr(made.splits, split).shape[1]:,} {split}" for split in datasets.SPLITS)
    return f"{data_file(dataset)}: {len(made.pool.labels):,} rows, {len(made.pool.classes)} classes; each seed {parts}"


def train(dataset: str, variant: str, *, jobs: int, backend: str) -> str:
    """Fit every point of a variant on every seed, except the points whose finished file still holds."""
    from pipeline.stages.fitting import fit_files  # noqa: PLC0415

    params = config.load(PARAMS)
    variant_: points.Variant = reading.look_up(variant, params.variants, f"{PARAMS}: variants")
    seeds = params.study.seeds
    points = {member_file(dataset, variant, label): point for label, point in variant_.pairs}
    fitted = fit_files(points, seeds, dataset, jobs=jobs, backend=backend)
    folder = member_file(dataset, variant, "").parent
    store.keep_only(folder, points)
    return f"{folder}: {fitted * seeds} members trained, {(len(points) - fitted) * seeds} kept"


def evaluate(dataset: str, *, jobs: int) -> str:
    """Score every member, compare every point with the unregularized one, and write the finished tables."""
    from pipeline.calibration.evaluation import directions  # noqa: PLC0415
    from pipeline.stages.scoring import read_scores, score_files  # noqa: PLC0415
    from pipeline.statistics.answer import answer, metrics_summary, significant  # noqa: PLC0415
    from pipeline.statistics.results import PROTOCOL, results_table  # noqa: PLC0415

    params = config.load(PARAMS)
    reading.look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    places = [(variant.name, label) for variant in params.variants.values() for label in variant.labels]
    _drop_others(dataset, params)
    score_files({score_file(dataset, *place): member_file(dataset, *place) for place in places}, dataset, jobs=jobs)
    found, scores, groups = read_scores([score_file(dataset, *place) for place in places])
    points = [
        {"variant": variant, "name": label, "parameters": about["point"], "md5": about["md5"]}
        for (variant, label), about in zip(places, found, strict=True)
    ]
    results = results_table(
        points,
        scores,
        groups=groups,
        directions=directions(scores),
        reference=places.index(("none", params.variants["none"].labels[0])),
        dataset=described(dataset),
        protocol=PROTOCOL,
        generator=generator(0, Purpose.BOOTSTRAP),
    )
    try:
        results["answer"] = answer(results)
    except ValueError as error:
        raise InputError(f"{dataset}: nothing to choose from, every point diverged: {error}") from None
    store.write_json(report_file(dataset, "results.json"), significant(results, 6))
    summaries = {report_file(dataset, f"metrics/{key}.json"): row for key, row in metrics_summary(results).items()}
    for path, summary in summaries.items():
        store.write_json(path, significant(summary, 6))
    store.keep_only(report_file(dataset, "metrics"), summaries)
    _write_series(dataset, places, points, results)
    return f"reports/{dataset}: {len(points)} points of {params.study.seeds} members scored and compared"


def _drop_others(dataset: str, params: config.Params) -> None:
    """Delete what variants that are no longer in params.yaml have left among the outputs."""
    wanted = [(v.name, label) for v in params.variants.values() for label in v.labels]
    store.keep_only(Path("members") / dataset, [member_file(dataset, *place) for place in wanted])
    store.keep_only(Path("scores") / dataset, [score_file(dataset, *place) for place in wanted])


def _write_series(dataset: str, places: Sequence[Place], points: list[dict[str, Any]], results: dict[str, Any]) -> None:
    """Tables for figures: sweeps, histories, reliability bins over seeds, and whole reliability diagrams."""
    from pipeline.stages.scoring import named  # noqa: PLC0415
    from pipeline.statistics.answer import significant  # noqa: PLC0415
    from pipeline.statistics.diagrams import point_diagrams  # noqa: PLC0415
    from pipeline.statistics.series import COLUMNS, history_rows, reliability_rows, sweep_rows  # noqa: PLC0415

    inflation = results["protocol"]["inflation"]  # test rows are measured by score, not by bin
    history: list[dict[str, Any]] = []
    bins: list[dict[str, Any]] = []
    diagrams: dict[str, Any] = {}
    for place, point, row in zip(places, points, results["points"], strict=True):
        arrays, _ = store.read_arrays(score_file(dataset, *place))
        curves, scores = named(arrays, "curve/"), named(arrays, "score/")
        shown = {name: curves[f"test/{name}"][None] for name in ("confidence", "accuracy", "count")}
        measured = {name: arrays[f"history/{name}"][None] for name in HISTORY} | {"epoch": arrays["history/epoch"]}
        history += history_rows([point], measured, inflation=inflation["training_rows"])
        bins += reliability_rows([point], shown, inflation=inflation["all_rows"])
        diagrams[row["key"]] = point_diagrams(curves, scores)
    sweeps = [row for row in sweep_rows(results) if row["metric"] in PLOTTED]
    for name, rows in (("history", history), ("reliability", bins), ("sweeps", sweeps)):
        store.write_csv(report_file(dataset, f"{name}.csv"), significant(rows, 5), columns=COLUMNS[name])
    store.write_json(report_file(dataset, "diagrams.json"), significant(diagrams, 4))
