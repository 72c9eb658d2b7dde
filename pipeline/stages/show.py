"""The command `show`: the results tables in the terminal."""

from __future__ import annotations

import sys
from textwrap import fill
from typing import TYPE_CHECKING, TypedDict

from pipeline.config.params import load_params
from pipeline.config.reading import look_up
from pipeline.core.paths import LEDGER, PARAMS, SUMMARY
from pipeline.stages.tables import (
    baseline_results_of,
    calibrator_results_of,
    champion_results_of,
    search_results_of,
    study_results_of,
)

if TYPE_CHECKING:
    from pipeline.results.search import SearchResults
    from pipeline.results.study import StudyResults


class Looks(TypedDict):
    """How tables are shown: characters a line, colours, and notes below them."""

    width: int
    color: bool
    notes: bool


def show(dataset: str | None, *, notes: bool = False) -> str:
    """Answers and results tables of a data set, or of all that the study names and what holds on all of them.

    Args:
        dataset: one of them; None means all.
        notes: whether what the columns are, and what was corrected for, stands below each table.
    """
    params = load_params(PARAMS)
    if dataset is not None:
        look_up(dataset, params.datasets, f"{PARAMS}: datasets")
        return study_text(dataset, notes=notes).strip()
    return "\n".join(
        [*(study_text(name, notes=notes) for name in params.study.datasets), *shared_texts(notes=notes)]
    ).strip()


def study_text(dataset: str, *, notes: bool = False) -> str:
    """All that is found on a data set, the answer first, as far as it is there; in colour for a person."""
    from pipeline.reporting.table import screen_width  # noqa: PLC0415
    from pipeline.reporting.text import baselines, calibrators, champion, ensembles, search, study  # noqa: PLC0415

    results, searched, width = study_results_of(dataset), search_results_of(dataset), screen_width()
    looks = Looks(width=width, color=sys.stdout.isatty(), notes=notes)
    parts = [f"\n{dataset}\n{_answer(results, searched, width)}\n", study.render(results, **looks)]
    if searched is not None:
        parts += [search.render(searched, **looks), ensembles.render(searched, **looks)]
    parts.append(calibrators.render(dataset, calibrator_results_of(dataset), **looks))
    parts.append(baselines.render(results, baseline_results_of(dataset), **looks))
    parts.append(champion.render(champion_results_of(dataset), **looks))
    more = "" if notes else f"{fill(f'What the columns are: python -m pipeline show {dataset} --notes', width)}\n"
    return "\n".join(filter(None, [*parts, more]))


def _answer(results: StudyResults, searched: SearchResults | None, width: int) -> str:
    """The answer of the search, or of the study where nothing was searched, and its row for params.yaml."""
    from pipeline.reporting.text.answer import params_row, sentence  # noqa: PLC0415
    from pipeline.results.readable_names import readable_arms  # noqa: PLC0415

    answered = results if searched is None else searched.results
    said = sentence(results) if searched is None else sentence(answered, name=readable_arms)
    lines = [fill(said, width)]
    if answered.answer.recommendation == "use":
        lines.append(fill(f"As a variant in {PARAMS}: {params_row(answered)}", width, break_on_hyphens=False))
    return "\n".join(lines)


def shared_texts(*, notes: bool = False) -> list[str]:
    """What holds on all data sets, where the report has said it, and the textbook's claims where there are some."""
    from pipeline.reporting.table import screen_width  # noqa: PLC0415
    from pipeline.reporting.text import textbook  # noqa: PLC0415
    from pipeline.results.record import read_record  # noqa: PLC0415
    from pipeline.results.summary import Summary  # noqa: PLC0415
    from pipeline.results.textbook import TextbookResults  # noqa: PLC0415

    looks = Looks(width=screen_width(), color=sys.stdout.isatty(), notes=notes)
    texts = [fill(read_record(Summary, SUMMARY).sentence, looks["width"])] if SUMMARY.exists() else []
    if LEDGER.exists():
        texts.append(f"\n{textbook.render(read_record(TextbookResults, LEDGER), **looks)}")
    return texts
