"""The command `show`: the results tables in the terminal."""

from __future__ import annotations

import sys
from textwrap import fill

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


def show(dataset: str | None) -> str:
    """The results tables of a data set, or of all that the study names and what holds on all of them."""
    params = load_params(PARAMS)
    if dataset is not None:
        look_up(dataset, params.datasets, f"{PARAMS}: datasets")
        return study_text(dataset).strip()
    return "\n".join([*(study_text(name) for name in params.study.datasets), *shared_texts()]).strip()


def study_text(dataset: str) -> str:
    """All that is found on a data set, as far as it is there: tables and answers; in colour for a person."""
    from pipeline.reporting.table import WIDTH  # noqa: PLC0415
    from pipeline.reporting.text import baselines, calibrators, champion, ensembles, search, study  # noqa: PLC0415
    from pipeline.reporting.text.answer import params_row, sentence  # noqa: PLC0415

    results, searched, color = study_results_of(dataset), search_results_of(dataset), sys.stdout.isatty()
    parts = [f"\n{dataset}", study.render(results, color=color), f"{fill(sentence(results), WIDTH)}\n"]
    parts.append(calibrators.render(dataset, calibrator_results_of(dataset), color=color))
    answered = results
    if searched is not None:
        parts += [search.render(searched, color=color), ensembles.render(searched, color=color)]
        answered = searched.results
    parts.append(baselines.render(results, baseline_results_of(dataset), color=color))
    parts.append(champion.render(champion_results_of(dataset), color=color))
    if answered.answer.recommendation == "use":
        parts.append(f"As a variant in {PARAMS}: {params_row(answered)}\n")
    return "\n".join(filter(None, parts))


def shared_texts() -> list[str]:
    """What holds on all data sets, where the report has said it, and the textbook's claims where there are some."""
    from pipeline.reporting.table import WIDTH  # noqa: PLC0415
    from pipeline.reporting.text import textbook  # noqa: PLC0415
    from pipeline.results.record import read_record  # noqa: PLC0415
    from pipeline.results.summary import Summary  # noqa: PLC0415
    from pipeline.results.textbook import TextbookResults  # noqa: PLC0415

    texts = [fill(read_record(Summary, SUMMARY).sentence, WIDTH)] if SUMMARY.exists() else []
    if LEDGER.exists():
        texts.append(f"\n{textbook.render(read_record(TextbookResults, LEDGER), color=sys.stdout.isatty())}")
    return texts
