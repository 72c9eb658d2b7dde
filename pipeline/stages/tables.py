"""Finished tables of a data set, as commands read them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.core.files import (
    read_csv,
    read_json,
)
from pipeline.core.paths import (
    figure_file,
    result_file,
    trials_file,
)


def results_of(dataset: str) -> dict[str, Any]:
    """The finished table of a data set's study."""
    found: dict[str, Any] = read_json(result_file(dataset, "results.json"))
    return found


def search_tables(dataset: str) -> dict[str, Any]:
    """The finished table of a data set's search, and its trials."""
    from pipeline.config.search_space import Search  # noqa: PLC0415
    from pipeline.search.trials import columns, numbers  # noqa: PLC0415

    found = read_json(result_file(dataset, "search.json"))
    search = Search.model_validate(found["search"])
    rungs = search.pruner.rungs(found["results"]["points"][0]["parameters"]["epochs"])
    trials = read_csv(trials_file(dataset), numbers=numbers(columns(search, rungs)))
    return {"search": found, "trials": trials}


def pictures_of(results: Mapping[str, Any]) -> dict[str, Path]:
    """The PNG files of a data set's figures by their place below its folder."""
    folder = figure_file(results["dataset"]["name"], "")
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.png"))}
