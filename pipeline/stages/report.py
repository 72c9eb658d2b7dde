"""The command `report`: show all data sets on the study's page, and write its summary and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.params import load_params
from pipeline.core.files import write_bytes
from pipeline.core.paths import (
    PAGE,
    PARAMS,
    SUMMARY,
    TEXTBOOK_PAGE,
    metrics_file,
    pictures_file,
    result_file,
    shared_figure_file,
)
from pipeline.stages.figure_files import forms_at, written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.reporting.sections import Picture, Section
    from pipeline.results.summary import Summary


def report() -> str:
    """Show all data sets on one page, and say what holds on all of them."""
    from pipeline.reporting.dvc_metrics import DIGITS, dataset_metrics  # noqa: PLC0415
    from pipeline.reporting.page import study_page  # noqa: PLC0415
    from pipeline.results.record import read_record, write_record  # noqa: PLC0415
    from pipeline.results.summary import Summary, summary  # noqa: PLC0415

    datasets = load_params(PARAMS).study.datasets
    sections = [_section(dataset) for dataset in datasets]
    studies = [section.results for section in sections]
    write_record(SUMMARY, summary(studies))
    rounded = read_record(Summary, SUMMARY)
    text = study_page(sections, rounded, _pictures(sections, rounded), textbook_link=TEXTBOOK_PAGE.name).encode()
    for section in sections:
        write_record(metrics_file(section.results.dataset.name), dataset_metrics(section.search.results), digits=DIGITS)
    write_bytes(PAGE, text)
    names = ", ".join(results.dataset.name for results in studies)
    return f"{PAGE}: {names} on one page of {len(text) / 1e6:.1f} MB; open it in a browser"


def _section(dataset: str) -> Section:
    """A data set's part of the page.

    Raises:
        InputError: one of its files is missing or damaged.
    """
    from pipeline.reporting.sections import Pictures, Section  # noqa: PLC0415
    from pipeline.results.baselines import BaselineResults  # noqa: PLC0415
    from pipeline.results.calibrators import CalibratorResults  # noqa: PLC0415
    from pipeline.results.champion import ChampionResults  # noqa: PLC0415
    from pipeline.results.record import read_record  # noqa: PLC0415
    from pipeline.results.search import SearchResults  # noqa: PLC0415
    from pipeline.results.study_files import read_study  # noqa: PLC0415

    return Section(
        pictures=read_record(Pictures, pictures_file(dataset)).root,
        results=read_study(result_file(dataset, "results.json")),
        search=read_record(SearchResults, result_file(dataset, "search.json")),
        calibrators=read_record(CalibratorResults, result_file(dataset, "calibrators.json")),
        baselines=read_record(BaselineResults, result_file(dataset, "baselines.json")),
        champion=read_record(ChampionResults, result_file(dataset, "champion.json")),
    )


def _pictures(sections: Sequence[Section], summary: Summary) -> dict[str, Picture]:
    """Draw the figures of all data sets together."""
    from pipeline.reporting.figures import canvas, study  # noqa: PLC0415

    studies = [section.results for section in sections]
    with canvas.styled():
        drawn = [
            forms_at(shared_figure_file("headline"), study.headline([section.search for section in sections])),
            forms_at(shared_figure_file("rankings"), study.rankings(summary, studies)),
            forms_at(shared_figure_file("best"), study.best([section.search for section in sections])),
        ]
    _, pictures = written(drawn)
    return pictures
