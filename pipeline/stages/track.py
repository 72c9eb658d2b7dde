"""The command `track`: publish to MLflow what it lacks, and print the results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.params import load_params
from pipeline.core.files import (
    read_arrays,
    read_json,
)
from pipeline.core.paths import (
    LEDGER,
    PAGE,
    PARAMS,
    champion_file,
    claim_figure_file,
    report_file,
    score_file,
    trials_file,
)
from pipeline.core.progress import progress
from pipeline.stages.show import shared_texts, study_text
from pipeline.stages.tables import pictures_of, results_of, search_tables

if TYPE_CHECKING:
    from pipeline.tracking.records import Experiment, Record


def track() -> str:
    """Publish what evaluations and searches found to MLflow, where the store lacks it, and print the results."""
    from pipeline.tracking.publishing import provenance, publish, tracking_uri  # noqa: PLC0415

    params = load_params(PARAMS)
    reports = [results_of(dataset) for dataset in params.study.datasets]
    found = [pair for results in reports for pair in (_study_of(results), _search_of(results["dataset"]["name"]))]
    found.append(_claims())
    records = [record for of_experiment, _ in found for record in of_experiment]
    with progress("MLflow", len(records), "runs") as tick:
        done = publish(
            records,
            uri=tracking_uri(Path.cwd()),
            provenance=provenance(),
            experiments=[page for _, page in found if page is not None],
            complete=True,
            progress=lambda *_: tick(1),
        )
    print("\n".join([*map(study_text, params.study.datasets), *shared_texts()]))
    changed = f"{done.created} runs created, {done.replaced} replaced, {done.retired} retired"
    page = f"\nReport: {PAGE}, open it in a browser" if PAGE.exists() else ""
    return f"\nMLflow: {changed}, {done.unchanged} there already; look at them with `make ui`{page}"


def _study_of(results: Mapping[str, Any]) -> tuple[list[Record], Experiment | None]:
    """What MLflow is told of a data set's study; the search's figures are its own."""
    from pipeline.tracking.search import FIGURES  # noqa: PLC0415
    from pipeline.tracking.study import experiment_of, records_of  # noqa: PLC0415

    pictures = {path: file for path, file in pictures_of(results).items() if path.removesuffix(".png") not in FIGURES}
    records = records_of(results, _arrays_of(results), pictures)
    return records, experiment_of(results, records)


def _search_of(dataset: str) -> tuple[list[Record], Experiment | None]:
    """What MLflow is told of a data set's search; nothing where there is none."""
    from pipeline.tracking.search import experiment_of, records_of, settings  # noqa: PLC0415

    if not report_file(dataset, "search.json").exists():
        return [], None
    table, rows = search_tables(dataset).values()
    places = [(row["kind"], row["name"]) for row in table["results"]["points"]]
    records = records_of(
        table,
        rows,
        [read_arrays(champion_file(dataset, *place))[0] for place in places],
        trials=trials_file(dataset),
        figures=pictures_of(table["results"]),
    )
    return records, experiment_of(dataset, settings(table), table)


def _claims() -> tuple[list[Record], Experiment | None]:
    """What MLflow is told of the claims ledger; nothing where there is none."""
    from pipeline.tracking.textbook import experiment_of, records_of  # noqa: PLC0415

    if not LEDGER.exists():
        return [], None
    table = read_json(LEDGER)
    drawn = {path.stem: path for path in claim_figure_file("").glob("*.png")}
    return records_of(table, drawn), experiment_of(table)


def _arrays_of(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    dataset = results["dataset"]["name"]
    return [read_arrays(score_file(dataset, row["variant"], row["name"]))[0] for row in results["points"]]
