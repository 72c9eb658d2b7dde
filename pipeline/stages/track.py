"""The command `track`: publish to MLflow what it lacks of study, search and models, and print the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.params import load_params
from pipeline.core.arrays import read_arrays
from pipeline.core.paths import PAGE, PARAMS, baseline_file, champion_file, figure_file, report_file, score_file
from pipeline.core.progress import progress
from pipeline.stages.registration import model_records, register_models
from pipeline.stages.show import shared_texts, study_text
from pipeline.stages.tables import (
    baseline_results_of,
    calibrator_results_of,
    search_results_of,
    study_results_of,
    trials_of,
)

if TYPE_CHECKING:
    from pipeline.tracking.runs import ExperimentPage, RunRecord


def track(*, force_champion: bool = False) -> str:
    """Publish what evaluations and searches found to MLflow, where the store lacks it, and print the results.

    Args:
        force_champion: let the present models be the champions, even where they are not better than earlier ones.
    """
    records: list[RunRecord] = []
    pages: list[ExperimentPage] = []
    datasets = load_params(PARAMS).study.datasets
    for dataset in datasets:
        for of_experiment, page in (_study(dataset), *_search(dataset)):
            records += of_experiment
            pages.append(page)
    line = "\n".join([publish_all(records, pages), *register_models(datasets, force=force_champion)])
    print("\n".join([*map(study_text, datasets), *shared_texts()]))
    report = f"\nReport: {PAGE}, open it in a browser" if PAGE.exists() else ""
    return f"{line}{report}"


def publish_all(records: Sequence[RunRecord], pages: Sequence[ExperimentPage]) -> str:
    """Publish all records of some experiments, and say in a line what changed."""
    from pipeline.tracking.publish import provenance, publish  # noqa: PLC0415 (numpy)
    from pipeline.tracking.store import tracking_uri  # noqa: PLC0415
    from pipeline.tracking.times import spanned  # noqa: PLC0415

    with progress("MLflow", len(records), "runs") as tick:
        done = publish(
            spanned(records),
            uri=tracking_uri(Path.cwd()),
            provenance=provenance(),
            pages=pages,
            complete=True,
            progress=lambda *_: tick(1),
        )
    changed = f"{done.created} runs created, {done.replaced} replaced, {done.retired} retired"
    return f"\nMLflow: {changed}, {done.unchanged} there already; look at them with `make ui`"


def _study(dataset: str) -> tuple[list[RunRecord], ExperimentPage]:
    """The records of a data set's study, baselines and model; the search's figures are its own."""
    from pipeline.tracking.search import FIGURES  # noqa: PLC0415
    from pipeline.tracking.study import experiment_of, records_of  # noqa: PLC0415
    from pipeline.tracking.times import noted  # noqa: PLC0415

    results = study_results_of(dataset)
    arrays = [read_arrays(score_file(dataset, point.variant, point.name))[0] for point in results.points]
    figures = {path: file for path, file in _figures(dataset).items() if path.removesuffix(".png") not in FIGURES}
    searched, made = search_results_of(dataset), calibrator_results_of(dataset)
    of_points = records_of(results, arrays, figures, searched=searched, calibrators=made, clock=noted)
    records = [*_baselines(dataset), *model_records(dataset), *of_points]
    return records, experiment_of(results, records, searched)


def _baselines(dataset: str) -> list[RunRecord]:
    """The records of a data set's baselines; nothing where there are none."""
    from pipeline.tracking.baselines import records_of  # noqa: PLC0415
    from pipeline.tracking.times import noted  # noqa: PLC0415

    made = baseline_results_of(dataset)
    if made is None:
        return []
    arrays = [read_arrays(baseline_file(dataset, each.name))[0] for each in made.baselines]
    return records_of(study_results_of(dataset), made, arrays, clock=noted)


def _search(dataset: str) -> list[tuple[list[RunRecord], ExperimentPage]]:
    """The records of a data set's search; nothing where there is none."""
    from pipeline.tracking.search import experiment_of, records_of  # noqa: PLC0415
    from pipeline.tracking.times import noted  # noqa: PLC0415
    from pipeline.tracking.trials import trial_records  # noqa: PLC0415

    results = search_results_of(dataset)
    if results is None:
        return []
    search, points = results.search, results.results.points
    trials, epochs = trials_of(dataset), points[0].parameters.epochs
    arrays = [read_arrays(champion_file(dataset, point.kind or "", point.name))[0] for point in points]
    records = [
        *trial_records(dataset, search, trials, epochs=epochs, clock=noted),
        *records_of(results, arrays, trials=report_file(dataset, "trials.csv"), figures=_figures(dataset), clock=noted),
    ]
    return [(records, experiment_of(dataset, search, results))]


def _figures(dataset: str) -> Mapping[str, Path]:
    """The PNG files of a data set's figures by their path below its folder."""
    folder = figure_file(dataset, "")
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.png"))}
