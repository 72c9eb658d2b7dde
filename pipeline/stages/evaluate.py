"""The command `evaluate`: score every member and compare every point with the unregularized one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.params import Params, load_params
from pipeline.config.reading import look_up
from pipeline.core.arrays import read_arrays
from pipeline.core.errors import InputError
from pipeline.core.files import keep_only
from pipeline.core.paths import PARAMS, member_file, result_file, score_file, tuning_file
from pipeline.core.rng import Purpose, generator
from pipeline.metrics.names import MetricName
from pipeline.training.member import HISTORY

if TYPE_CHECKING:
    from pipeline.results.scored_points import ScoredPoints
    from pipeline.results.study import PointResult, StudyResults

PLOTTED = (
    *(MetricName("test", "before", metric) for metric in ("nll", "ece", "debiased", "accuracy")),
    MetricName("gap", "before", "nll"),
    *(MetricName("test", "after", metric) for metric in ("nll", "ece")),
)
DIAGRAM_DIGITS = 4


def evaluate(dataset: str, *, jobs: int) -> str:
    """Score every member, compare every point with the unregularized one, and write the finished tables."""
    from pipeline.results.answer import NothingToChooseError  # noqa: PLC0415
    from pipeline.results.comparison import study_results  # noqa: PLC0415
    from pipeline.results.study_files import write_study  # noqa: PLC0415
    from pipeline.stages.scores import write_scores  # noqa: PLC0415

    params = load_params(PARAMS)
    look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    places = _places(params)
    files = {score_file(dataset, *place): member_file(dataset, *place) for place in places}
    write_scores(files, dataset, jobs=jobs)
    try:
        results = study_results(
            study_scores(dataset, params),
            reference=places.index(("none", params.variants["none"].labels[0])),
            generator=generator(0, Purpose.BOOTSTRAP),
        )
    except NothingToChooseError as error:
        raise InputError(f"{dataset}: nothing to choose from, every point diverged: {error}") from None
    keep_only(Path("scores") / dataset, files)
    write_study(result_file(dataset, "results.json"), results)
    _write_series(results)
    return f"results/{dataset}: {len(results.points)} points of {params.study.seeds} members scored and compared"


def study_scores(dataset: str, params: Params) -> ScoredPoints:
    """The scores of all points of a data set's study, in the order of params.yaml, with how each was tuned.

    Raises:
        InputError: a file of scores or of a variant's tuning is missing or damaged.
    """
    from pipeline.results.record import read_record  # noqa: PLC0415
    from pipeline.results.tuning import VariantTuning  # noqa: PLC0415
    from pipeline.stages.scores import ScoreFile, scored_points  # noqa: PLC0415

    tables = {name: read_record(VariantTuning, tuning_file(dataset, name)).points for name in params.variants}
    files = [
        ScoreFile(score_file(dataset, variant, label), variant, label, tables[variant][label])
        for variant, label in _places(params)
    ]
    return scored_points(dataset, files, least_effect=params.study.least_effect)


def _places(params: Params) -> list[tuple[str, str]]:
    """The variant and label of every point."""
    return [(variant.name, label) for variant in params.variants.values() for label in variant.labels]


def _write_series(results: StudyResults) -> None:
    """Write the tables of figures: sweeps, histories, reliability bins over seeds, and whole reliability diagrams."""
    from pipeline.results.record import write_record  # noqa: PLC0415
    from pipeline.results.reliability import Diagrams, point_diagrams  # noqa: PLC0415
    from pipeline.results.series import (  # noqa: PLC0415
        HistoryRow,
        ReliabilityRow,
        SweepRow,
        history_rows,
        reliability_rows,
        sweep_rows,
        write_rows,
    )
    from pipeline.stages.scores import below  # noqa: PLC0415

    dataset, inflation = results.dataset.name, results.protocol.inflation  # test rows are measured by score, not by bin
    history: list[HistoryRow] = []
    bins: list[ReliabilityRow] = []
    diagrams = {}
    for point in results.points:
        arrays, _ = read_arrays(_score_file(dataset, point))
        curves, epochs = below("curve", arrays), arrays["history/epoch"].tolist()
        by_metric = {MetricName.parse(name): arrays[f"history/{name}"] for name in HISTORY}
        history += history_rows(point.variant, point.name, by_metric, epochs=epochs, inflation=inflation.training_rows)
        binned = below("test", curves)
        bins += reliability_rows(point.variant, point.name, binned, inflation=inflation.all_rows)
        diagrams[point.key] = point_diagrams(curves, below("score", arrays))
    sweeps = [row for row in sweep_rows(results) if row.metric in PLOTTED]
    write_rows(result_file(dataset, "history.csv"), history, kind=HistoryRow)
    write_rows(result_file(dataset, "reliability.csv"), bins, kind=ReliabilityRow)
    write_rows(result_file(dataset, "sweeps.csv"), sweeps, kind=SweepRow)
    write_record(result_file(dataset, "diagrams.json"), Diagrams(diagrams), digits=DIAGRAM_DIGITS)


def _score_file(dataset: str, point: PointResult) -> Path:
    return score_file(dataset, point.variant, point.name)
