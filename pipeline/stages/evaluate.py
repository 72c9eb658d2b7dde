"""The command `evaluate`: score every member and compare every point with the unregularized one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.params import Params, load_params
from pipeline.config.points import complete_parameters
from pipeline.config.reading import look_up
from pipeline.core.errors import InputError
from pipeline.core.files import (
    keep_only,
    read_arrays,
    write_csv,
    write_json,
)
from pipeline.core.paths import (
    PARAMS,
    member_file,
    report_file,
    score_file,
)
from pipeline.core.rng import Purpose, generator
from pipeline.stages.keeping import described
from pipeline.training.member import HISTORY

if TYPE_CHECKING:
    pass

PLOTTED = ("test/nll", "test/ece", "test/debiased", "test/accuracy", "gap/nll", "test_ts/nll", "test_ts/ece")
Place = tuple[str, str]  # variant and label of a point


def evaluate(dataset: str, *, jobs: int) -> str:
    """Score every member, compare every point with the unregularized one, and write the finished tables."""
    from pipeline.evaluation.members import directions  # noqa: PLC0415
    from pipeline.results.answer import answer, metrics_summary, significant  # noqa: PLC0415
    from pipeline.results.comparison import PROTOCOL, results_table  # noqa: PLC0415
    from pipeline.stages.scoring import read_scores, score_files  # noqa: PLC0415

    params = load_params(PARAMS)
    look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    places = [(variant.name, label) for variant in params.variants.values() for label in variant.labels]
    _drop_others(dataset, params)
    score_files({score_file(dataset, *place): member_file(dataset, *place) for place in places}, dataset, jobs=jobs)
    found, scores, groups = read_scores([score_file(dataset, *place) for place in places])
    parameters = complete_parameters([about["point"] for about in found])
    points = [
        {"variant": variant, "name": label, "parameters": chosen, "md5": about["md5"]}
        for (variant, label), chosen, about in zip(places, parameters, found, strict=True)
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
    write_json(report_file(dataset, "results.json"), significant(results, 6))
    summaries = {report_file(dataset, f"metrics/{key}.json"): row for key, row in metrics_summary(results).items()}
    for path, summary in summaries.items():
        write_json(path, significant(summary, 6))
    keep_only(report_file(dataset, "metrics"), summaries)
    _write_series(dataset, places, points, results)
    return f"reports/{dataset}: {len(points)} points of {params.study.seeds} members scored and compared"


def _drop_others(dataset: str, params: Params) -> None:
    """Delete what variants that are no longer in params.yaml have left among the outputs."""
    wanted = [(v.name, label) for v in params.variants.values() for label in v.labels]
    keep_only(Path("members") / dataset, [member_file(dataset, *place) for place in wanted])
    keep_only(Path("scores") / dataset, [score_file(dataset, *place) for place in wanted])


def _write_series(dataset: str, places: Sequence[Place], points: list[dict[str, Any]], results: dict[str, Any]) -> None:
    """Tables for figures: sweeps, histories, reliability bins over seeds, and whole reliability diagrams."""
    from pipeline.results.answer import significant  # noqa: PLC0415
    from pipeline.results.reliability import point_diagrams  # noqa: PLC0415
    from pipeline.results.series import COLUMNS, history_rows, reliability_rows, sweep_rows  # noqa: PLC0415
    from pipeline.stages.scoring import named  # noqa: PLC0415

    inflation = results["protocol"]["inflation"]  # test rows are measured by score, not by bin
    history: list[dict[str, Any]] = []
    bins: list[dict[str, Any]] = []
    diagrams: dict[str, Any] = {}
    for place, point, row in zip(places, points, results["points"], strict=True):
        arrays, _ = read_arrays(score_file(dataset, *place))
        curves, scores = named(arrays, "curve/"), named(arrays, "score/")
        shown = {name: curves[f"test/{name}"][None] for name in ("confidence", "accuracy", "count")}
        measured = {name: arrays[f"history/{name}"][None] for name in HISTORY} | {"epoch": arrays["history/epoch"]}
        history += history_rows([point], measured, inflation=inflation["training_rows"])
        bins += reliability_rows([point], shown, inflation=inflation["all_rows"])
        diagrams[row["key"]] = point_diagrams(curves, scores)
    sweeps = [row for row in sweep_rows(results) if row["metric"] in PLOTTED]
    for name, rows in (("history", history), ("reliability", bins), ("sweeps", sweeps)):
        write_csv(report_file(dataset, f"{name}.csv"), significant(rows, 5), columns=COLUMNS[name])
    write_json(report_file(dataset, "diagrams.json"), significant(diagrams, 4))
