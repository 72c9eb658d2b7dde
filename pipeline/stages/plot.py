"""The command `plot`: draw a data set's figures, as files and for the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.params import load_params
from pipeline.config.reading import look_up
from pipeline.core import parallel
from pipeline.core.files import keep_only
from pipeline.core.paths import PARAMS, figure_file, pictures_file, result_file, trials_file
from pipeline.core.progress import progress
from pipeline.stages.figure_files import Drawn, forms_at, written

if TYPE_CHECKING:
    from pipeline.reporting.figures.study import StudyTables
    from pipeline.results.reliability import PointDiagrams

POINTS = "points"
"""Folder of the reliability diagrams of single points."""


def plot(dataset: str, *, jobs: int) -> str:
    """Draw a data set's figures from its finished tables, and keep those that the page embeds."""
    from pipeline.reporting.sections import Pictures  # noqa: PLC0415
    from pipeline.results.record import write_record  # noqa: PLC0415

    params = load_params(PARAMS)
    look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    tables = _tables(dataset)
    calls = list(_calls(dataset, tables))
    drawn = []
    with progress(f"{dataset}: drawing", len(calls), "figures") as tick:
        # by processes of this machine, whose fonts and versions figures depend on
        for figure in parallel.results(_called, calls, arguments=lambda call: (call,), jobs=jobs, local=True):
            drawn.append(figure)
            tick(1)
    folder = figure_file(dataset, "")
    files, pictures = written(drawn)
    keep_only(folder, files)
    write_record(pictures_file(dataset), Pictures(pictures))
    return f"{folder}: {len(files)} files; {pictures_file(dataset)}: those that the page embeds"


def _tables(dataset: str) -> StudyTables:
    """All tables that figures are drawn from.

    Raises:
        InputError: one is missing or damaged.
    """
    from pipeline.reporting.figures.study import StudyTables  # noqa: PLC0415
    from pipeline.results.champion import ChampionResults  # noqa: PLC0415
    from pipeline.results.record import read_record  # noqa: PLC0415
    from pipeline.results.reliability import Diagrams  # noqa: PLC0415
    from pipeline.results.search import SearchResults  # noqa: PLC0415
    from pipeline.results.series import read_history, sweep_rows  # noqa: PLC0415
    from pipeline.results.study_files import read_study  # noqa: PLC0415
    from pipeline.search.trials import read_trials  # noqa: PLC0415

    results = read_study(result_file(dataset, "results.json"))
    search = read_record(SearchResults, result_file(dataset, "search.json"))
    rungs = search.search.pruner.rungs(search.results.points[0].parameters.epochs)
    return StudyTables(
        results=results,
        diagrams=read_record(Diagrams, result_file(dataset, "diagrams.json")).root,
        history=read_history(result_file(dataset, "history.csv")),
        sweeps=sweep_rows(results),
        search=search,
        trials=read_trials(trials_file(dataset), search.search, rungs=rungs),
        champion=read_record(ChampionResults, result_file(dataset, "champion.json")),
    )


def _calls(dataset: str, tables: StudyTables) -> Iterator[Callable[[], Drawn]]:
    """What is to be drawn, the figures that take long first."""
    from functools import partial  # noqa: PLC0415

    from pipeline.reporting.figures.canvas import sample  # noqa: PLC0415
    from pipeline.reporting.figures.study import FIGURES  # noqa: PLC0415

    yield from (partial(_draw, name, figure_file(dataset, name), tables) for name in FIGURES)
    note = sample(tables.results)
    for point in tables.results.points:
        if (diagrams := tables.diagrams[point.key]) is not None:
            path = figure_file(dataset, f"{POINTS}/{point.variant}/{point.name}.png")
            yield partial(_draw_point, path, point.key, diagrams, note)


def _called(call: Callable[[], Drawn]) -> Drawn:
    return call()


def _draw(name: str, path: Path, tables: StudyTables) -> Drawn:
    """One figure of a data set: the work of one worker."""
    from pipeline.reporting.figures import canvas, study  # noqa: PLC0415

    with canvas.styled():
        return forms_at(path, study.FIGURES[name](tables))


def _draw_point(path: Path, key: str, diagrams: PointDiagrams, note: str) -> Drawn:
    from pipeline.reporting.figures import canvas, study  # noqa: PLC0415

    with canvas.styled():
        return Drawn({path: canvas.png(study.point_reliability(key, diagrams, note))}, {})
