"""Finished tables of a data set, as commands read them."""

from __future__ import annotations

from typing import Any

from pipeline.core.files import (
    read_csv,
    read_json,
)
from pipeline.core.paths import (
    report_file,
    trials_file,
)


def results_of(dataset: str) -> dict[str, Any]:
    """The finished table of a data set's study."""
    found: dict[str, Any] = read_json(report_file(dataset, "results.json"))
    return found


def search_tables(dataset: str) -> dict[str, Any]:
    """The finished table of a data set's search, and its trials."""
    from pipeline.config.search_space import Search  # noqa: PLC0415
    from pipeline.search.trials import columns, numbers  # noqa: PLC0415

    found = read_json(report_file(dataset, "search.json"))
    search = Search.model_validate(found["search"])
    rungs = search.pruner.rungs(found["results"]["points"][0]["parameters"]["epochs"])
    trials = read_csv(trials_file(dataset), numbers=numbers(columns(search, rungs)))
    return {"search": found, "trials": trials}
