"""The command `show`: the results tables in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING, Any

from pipeline.config.params import load_params
from pipeline.config.reading import look_up
from pipeline.core.files import (
    read_json,
)
from pipeline.core.paths import (
    LEDGER,
    PARAMS,
    SUMMARY,
    report_file,
)
from pipeline.stages.tables import results_of

if TYPE_CHECKING:
    pass


def show(dataset: str | None) -> str:
    """The results table of a data set, or of all that the study names and what holds across them."""
    params = load_params(PARAMS)
    if dataset is not None:
        look_up(dataset, params.datasets, f"{PARAMS}: datasets")
        return shown(results_of(dataset)).strip()
    return "\n".join([*(shown(results_of(name)) for name in params.study.datasets), *across()]).strip()


def shown(results: Mapping[str, Any]) -> str:
    """The table and the sentence that answers, and those of the search where there is one; in colour for a person."""
    from pipeline.reporting.text import search, study  # noqa: PLC0415

    name, color = results["dataset"]["name"], sys.stdout.isatty()
    told = f"\n{name}\n{study.render(results, color=color)}\n{fill(results['answer']['sentence'], 120)}\n"
    searched = report_file(name, "search.json")
    return f"{told}\n{search.render(read_json(searched), color=color)}" if searched.exists() else told


def across() -> list[str]:
    """What holds on all data sets, where the report has said it, and the claims ledger where there is one."""
    from pipeline.reporting.text import textbook  # noqa: PLC0415

    told = [fill(read_json(SUMMARY)["sentence"], 120)] if SUMMARY.exists() else []
    if LEDGER.exists():
        told.append(f"\n{textbook.render(read_json(LEDGER), color=sys.stdout.isatty())}")
    return told
