"""Finished tables of a data set, as commands read them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.files import read_csv, read_json
from pipeline.core.paths import figure_file, report_file, trials_file

if TYPE_CHECKING:
    from pipeline.results.reliability import Diagrams
    from pipeline.results.search import SearchResults
    from pipeline.results.series import HistoryRow
    from pipeline.results.study import StudyResults
    from pipeline.search.trials import Trial


def study_results_of(dataset: str) -> StudyResults:
    """The finished table of a data set's study.

    Raises:
        InputError: it is missing or damaged, here as in the other functions.
    """
    from pipeline.results.record import read_record  # noqa: PLC0415
    from pipeline.results.study import StudyResults  # noqa: PLC0415

    return read_record(StudyResults, report_file(dataset, "results.json"))


def search_results_of(dataset: str) -> SearchResults | None:
    """The finished table of a data set's search; None where there was none."""
    from pipeline.results.record import read_record  # noqa: PLC0415
    from pipeline.results.search import SearchResults  # noqa: PLC0415

    path = report_file(dataset, "search.json")
    return read_record(SearchResults, path) if path.exists() else None


def trials_of(dataset: str) -> tuple[Trial, ...]:
    """All trials of a data set's search; none where there was no search."""
    from pipeline.search.trials import read_trials  # noqa: PLC0415

    results = search_results_of(dataset)
    if results is None:
        return ()
    epochs = results.results.points[0].parameters.epochs
    return read_trials(trials_file(dataset), results.search, rungs=results.search.pruner.rungs(epochs))


def diagrams_of(dataset: str) -> Diagrams:
    """The reliability diagrams of a data set's points."""
    from pipeline.results.record import read_record  # noqa: PLC0415
    from pipeline.results.reliability import Diagrams  # noqa: PLC0415

    return read_record(Diagrams, report_file(dataset, "diagrams.json"))


def history_of(dataset: str) -> tuple[HistoryRow, ...]:
    """The training histories of a data set's points."""
    from pipeline.results.series import read_history  # noqa: PLC0415

    return read_history(report_file(dataset, "history.csv"))


def results_of(dataset: str) -> dict[str, Any]:
    """The finished table of a data set's study as JSON."""
    table: dict[str, Any] = read_json(report_file(dataset, "results.json"))
    return table


def search_tables(dataset: str) -> dict[str, Any]:
    """The finished table of a data set's search as JSON, and its trials as rows."""
    from pipeline.config.search_space import Search  # noqa: PLC0415
    from pipeline.search.trials import columns, numbers  # noqa: PLC0415

    table = read_json(report_file(dataset, "search.json"))
    search = Search.model_validate(table["search"])
    rungs = search.pruner.rungs(table["results"]["points"][0]["parameters"]["epochs"])
    trials = read_csv(trials_file(dataset), numbers=numbers(columns(search, rungs)))
    return {"search": table, "trials": trials}


def pictures_of(results: Mapping[str, Any]) -> dict[str, Path]:
    """The PNG files of a data set's figures by their place below its folder."""
    folder = figure_file(results["dataset"]["name"], "")
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.png"))}
