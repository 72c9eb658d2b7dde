"""The command `plot`: draw a data set's figures and its part of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.params import load_params
from pipeline.config.reading import look_up
from pipeline.core.files import (
    keep_only,
    read_csv,
    read_json,
)
from pipeline.core.paths import (
    PARAMS,
    figure_file,
    report_file,
    section_file,
)
from pipeline.core.progress import progress
from pipeline.stages.drawing import Drawn, forms_at, written
from pipeline.stages.tables import results_of, search_tables

if TYPE_CHECKING:
    pass

POINTS = "points"  # folder of the reliability diagrams of single points


def plot(dataset: str, *, jobs: int) -> str:
    """Draw a data set's figures from its finished tables, and write its section of the report."""
    from joblib import Parallel, delayed  # noqa: PLC0415

    from pipeline.reporting.sections import Section  # noqa: PLC0415
    from pipeline.results.record import read_record, write_record  # noqa: PLC0415
    from pipeline.results.search import SearchResults  # noqa: PLC0415
    from pipeline.results.study import StudyResults  # noqa: PLC0415

    params = load_params(PARAMS)
    look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    tables = _tables(dataset)
    calls = [delayed(call)(*arguments) for call, *arguments in _drawings(dataset, tables)]
    drawn = []
    with progress(f"{dataset}: drawing", len(calls), "figures") as tick:
        for one in Parallel(n_jobs=min(jobs, len(calls)), return_as="generator_unordered")(calls):
            drawn.append(one)
            tick(1)
    folder = figure_file(dataset, "")
    files, pictures = written(drawn)
    keep_only(folder, files)
    results = read_record(StudyResults, report_file(dataset, "results.json"))
    search = read_record(SearchResults, report_file(dataset, "search.json"))
    write_record(section_file(dataset), Section(results=results, search=search, pictures=pictures))
    return f"{folder}: {len(files)} files; {section_file(dataset)}: this data set's part of the report"


def _tables(dataset: str) -> dict[str, Any]:
    from pipeline.results.series import sweep_rows  # noqa: PLC0415

    results = results_of(dataset)
    return {
        "results": results,
        "diagrams": read_json(report_file(dataset, "diagrams.json")),
        "history": read_csv(report_file(dataset, "history.csv"), numbers=("epoch", "mean", "low", "high")),
        "sweeps": sweep_rows(results),
        **search_tables(dataset),
    }


def _drawings(dataset: str, tables: dict[str, Any]) -> Iterator[tuple[Callable[..., Drawn], *tuple[Any, ...]]]:
    """What is to be drawn, as calls: the long ones first."""
    from pipeline.reporting.figures.canvas import sample  # noqa: PLC0415
    from pipeline.reporting.figures.study import FIGURES  # noqa: PLC0415

    yield from ((_draw, name, figure_file(dataset, name), tables) for name in FIGURES)
    note = sample(tables["results"])
    for point in tables["results"]["points"]:
        if diagram := tables["diagrams"][point["key"]]:
            path = figure_file(dataset, f"{POINTS}/{point['variant']}/{point['name']}.png")
            yield _draw_point, path, point["key"], diagram, note


def _draw(name: str, path: Path, tables: dict[str, Any]) -> Drawn:
    """One figure of a data set: the work of one worker."""
    from pipeline.reporting.figures import canvas, study  # noqa: PLC0415

    with canvas.styled():
        return forms_at(path, study.FIGURES[name](tables))


def _draw_point(path: Path, key: str, diagram: dict[str, Any], note: str) -> Drawn:
    from pipeline.reporting.figures import canvas, study  # noqa: PLC0415

    with canvas.styled():
        return Drawn({path: canvas.png(study.point_reliability(key, diagram, note))}, {})
