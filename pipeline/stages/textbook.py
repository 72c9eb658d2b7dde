"""The stages of the claims ledger: `claims@topic` measures sentences, `ledger` joins and draws what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.reading import look_up
from pipeline.core.files import is_current, keep_only, mark_current, read_arrays, read_json, write_arrays, write_json
from pipeline.core.fingerprint import fingerprint
from pipeline.core.paths import CLAIMS, CLAIMS_SECTION, LEDGER, claim_figure_file, claims_file, measured_file
from pipeline.core.progress import progress
from pipeline.stages.drawing import Drawn, forms_at, written
from pipeline.stages.keeping import MEASURING

if TYPE_CHECKING:
    from pipeline.config.textbook import Claims, Experiment
    from pipeline.data.dataset import Dataset
    from pipeline.textbook.experiment_results import Measured

Row = dict[str, Any]
SUMMARIES = ("ledger", "audit")  # figures of all claims together


def claims(topic: str, *, jobs: int) -> str:
    """Train a topic's experiments, except those whose finished file still holds, and judge its claims."""
    from pipeline.config.textbook import load_textbook  # noqa: PLC0415
    from pipeline.results.answer import significant  # noqa: PLC0415
    from pipeline.textbook import exact_checks  # noqa: PLC0415
    from pipeline.textbook.ledger import claim_table  # noqa: PLC0415

    declared = load_textbook(CLAIMS)
    wanted = look_up(topic, declared.topics, f"{CLAIMS}: topics")
    places = [(name, dataset) for name, experiment in wanted.experiments.items() for dataset in experiment.datasets]
    files = {place: measured_file(topic, *place) for place in places}
    trained = sum(_measure(declared, topic, *place, path, jobs=jobs) for place, path in files.items())
    keep_only(measured_file(topic, "", "").parent, [*files.values()])
    found: dict[str, list[Measured]] = {name: [] for name in wanted.experiments}
    audits: list[Row] = []
    for (name, _), path in files.items():
        measured, audit = _read(path)
        found[name].append(measured)
        audits += [{"dataset": measured.dataset["name"], **row} for row in audit]
    checks = {name: exact_checks.CHECKS[name]() for claim in wanted.claims.values() for name in claim.checks}
    rows = [
        {"id": name, **claim_table(claim, wanted, found, [dict(s) for check in claim.checks for s in checks[check]])}
        for name, claim in wanted.claims.items()
    ]
    table = {"topic": topic, "seeds": declared.ledger.seeds, "claims": rows, "audit": audits}
    write_json(claims_file(topic), significant(table, 6))
    return f"{claims_file(topic)}: {len(rows)} claims judged; {trained} of {len(places)} experiments trained"


def _measure(declared: Claims, topic: str, name: str, dataset: str, path: Path, *, jobs: int) -> bool:
    """Run an experiment on a data set unless its finished file still holds; whether it was run."""
    experiment, seeds = declared.topics[topic].experiments[name], declared.ledger.seeds
    wanted = declared.ledger.datasets[dataset]
    settings = experiment.model_dump(mode="json", exclude={"datasets"})
    made = fingerprint(settings, wanted.model_dump(mode="json"), dataset, seeds, code=[MEASURING], files=wanted.files)
    if is_current(path, made):
        return False
    pooled = wanted.load(dataset, seeds=seeds)
    _run(f"{topic}: {name} on {dataset}", experiment, pooled, seeds, path, jobs=jobs)
    mark_current(path, made)
    return True


def _run(what: str, experiment: Experiment, dataset: Dataset, seeds: int, path: Path, *, jobs: int) -> None:
    """Train and measure, with progress, and write what was found."""
    from pipeline.data.dataset import describe  # noqa: PLC0415
    from pipeline.textbook.experiments import epochs_of, run  # noqa: PLC0415

    with progress(what, epochs_of(experiment, seeds=seeds), "epochs") as tick:
        arrays, audit = run(experiment, dataset, seeds=seeds, jobs=jobs, tick=tick)
    summary = {**describe(dataset), "name": path.stem}
    write_arrays(path, arrays, {"dataset": summary, "cells": list(experiment.cells), "audit": audit})


def _read(path: Path) -> tuple[Measured, list[Row]]:
    from pipeline.textbook.experiment_results import Measured  # noqa: PLC0415

    arrays, about = read_arrays(path)
    return Measured(arrays, about["dataset"]), about["audit"]


def ledger(*, jobs: int) -> str:
    """Join what all topics found, draw a figure for every claim, and write the report's part."""
    from joblib import Parallel, delayed  # noqa: PLC0415

    from pipeline.config.textbook import load_textbook  # noqa: PLC0415

    table = _joined(list(load_textbook(CLAIMS).topics))
    write_json(LEDGER, table)
    wanted = [(claim["id"], claim) for claim in table["claims"]] + [(name, table) for name in SUMMARIES]
    drawn = []
    with progress("claims: drawing", len(wanted), "figures") as tick:
        for one in Parallel(n_jobs=jobs, return_as="generator")(delayed(_draw)(*each) for each in wanted):
            drawn.append(one)
            tick(1)
    files, pictures = written(drawn)
    keep_only(claim_figure_file(""), files)
    write_json(CLAIMS_SECTION, {"table": table, "pictures": {n: p._asdict() for n, p in pictures.items()}})
    told = ", ".join(f"{count} {word}" for word, count in table["counts"].items())
    return f"{LEDGER}: {len(table['claims'])} claims, {told}; {claim_figure_file('')}: {len(files)} files"


def _joined(topics: list[str]) -> Row:
    from pipeline.textbook.verdicts import counted  # noqa: PLC0415

    tables = [read_json(claims_file(topic)) for topic in topics]
    rows = [{"topic": table["topic"], **claim} for table in tables for claim in table["claims"]]
    return {
        "seeds": max(table["seeds"] for table in tables),
        "counts": counted([row["verdict"] for row in rows]),
        "claims": rows,
        "audit": [row for table in tables for row in table["audit"]],
    }


def _draw(name: str, table: Row) -> Drawn:
    """A claim's figure, or one of the whole ledger: the work of one worker."""
    from pipeline.reporting.figures import canvas, textbook  # noqa: PLC0415

    with canvas.styled():
        if name == "ledger":
            return forms_at(claim_figure_file(name), textbook.ledger_figure(table))
        drawing = textbook.audit_figure(table["audit"]) if name == "audit" else textbook.claim_figure(table)
        return forms_at(claim_figure_file(name), drawing)
