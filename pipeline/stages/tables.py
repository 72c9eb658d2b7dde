"""Finished tables of a data set, as commands read them, each once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pipeline.core.paths import report_file

if TYPE_CHECKING:
    from pipeline.results.baselines import BaselineResults
    from pipeline.results.calibrators import CalibratorResults
    from pipeline.results.champion import ChampionResults
    from pipeline.results.search import SearchResults
    from pipeline.results.study import StudyResults
    from pipeline.search.trials import Trial


@cache
def study_results_of(dataset: str) -> StudyResults:
    """The finished table of a data set's study.

    Raises:
        InputError: it is missing or damaged, here as in the other functions.
    """
    from pipeline.results.study_files import read_study  # noqa: PLC0415

    return read_study(report_file(dataset, "results.json"))


@cache
def search_results_of(dataset: str) -> SearchResults | None:
    """The finished table of a data set's search; None where there was none."""
    from pipeline.results.record import read_record  # noqa: PLC0415
    from pipeline.results.search import SearchResults  # noqa: PLC0415

    path = report_file(dataset, "search.json")
    return read_record(SearchResults, path) if path.exists() else None


@cache
def baseline_results_of(dataset: str) -> BaselineResults | None:
    """The finished table of a data set's baselines; None where it is not there."""
    from pipeline.results.baselines import BaselineResults  # noqa: PLC0415
    from pipeline.results.record import read_record  # noqa: PLC0415

    path = report_file(dataset, "baselines.json")
    return read_record(BaselineResults, path) if path.exists() else None


@cache
def calibrator_results_of(dataset: str) -> CalibratorResults | None:
    """Whether verdicts survive other calibrators; None where that is not there."""
    from pipeline.results.calibrators import CalibratorResults  # noqa: PLC0415
    from pipeline.results.record import read_record  # noqa: PLC0415

    path = report_file(dataset, "calibrators.json")
    return read_record(CalibratorResults, path) if path.exists() else None


@cache
def champion_results_of(dataset: str) -> ChampionResults | None:
    """What is known of the model that is handed over; None where there is none."""
    from pipeline.results.champion import ChampionResults  # noqa: PLC0415
    from pipeline.results.record import read_record  # noqa: PLC0415

    path = report_file(dataset, "champion.json")
    return read_record(ChampionResults, path) if path.exists() else None


def trials_of(dataset: str) -> tuple[Trial, ...]:
    """All trials of a data set's search; none where there was no search."""
    from pipeline.search.trials import read_trials  # noqa: PLC0415

    results = search_results_of(dataset)
    if results is None:
        return ()
    epochs = results.results.points[0].parameters.epochs
    return read_trials(report_file(dataset, "trials.csv"), results.search, rungs=results.search.pruner.rungs(epochs))
