"""The stages of the claims ledger: `claims@topic` measures sentences, `ledger` joins and draws what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.ground import store
from pipeline.ground.layout import CLAIMS, CLAIMS_SECTION, LEDGER, claim_figure_file, claims_file, measured_file
from pipeline.ground.terminal import progress
from pipeline.params import reading, tasks
from pipeline.stages.drawing import Drawn, forms_at, written
from pipeline.stages.keeping import MEASURING, made_from

if TYPE_CHECKING:
    from pipeline.claims.measured import Measured
    from pipeline.data.data import Dataset
    from pipeline.experiments.grammar import Claims, Experiment

Row = dict[str, Any]
SUMMARIES = ("ledger", "audit")  # figures of all claims together


def claims(topic: str, *, jobs: int) -> str:
    """Train a topic's experiments, except those whose finished file still holds, and judge its claims."""
    from pipeline.claims import exact  # noqa: PLC0415
    from pipeline.claims.ledger import claim_table  # noqa: PLC0415
    from pipeline.experiments.grammar import load  # noqa: PLC0415
    from pipeline.statistics.answer import significant  # noqa: PLC0415

    declared = load(CLAIMS)
    wanted = reading.look_up(topic, declared.topics, f"{CLAIMS}: topics")
    places = [(name, dataset) for name, experiment in wanted.experiments.items() for dataset in experiment.datasets]
    files = {place: measured_file(topic, *place) for place in places}
    trained = sum(_measure(declared, topic, *place, path, jobs=jobs) for place, path in files.items())
    store.keep_only(measured_file(topic, "", "").parent, [*files.values()])
    found: dict[str, list[Measured]] = {name: [] for name in wanted.experiments}
    audits: list[Row] = []
    for (name, _), path in files.items():
        measured, audit = _read(path)
        found[name].append(measured)
        audits += [{"dataset": measured.dataset["name"], **row} for row in audit]
    checks = {name: exact.CHECKS[name]() for claim in wanted.claims.values() for name in claim.checks}
    rows = [
        {"id": name, **claim_table(claim, wanted, found, [dict(s) for check in claim.checks for s in checks[check]])}
        for name, claim in wanted.claims.items()
    ]
    table = {"topic": topic, "seeds": declared.ledger.seeds, "claims": rows, "audit": audits}
    store.write_json(claims_file(topic), significant(table, 6))
    return f"{claims_file(topic)}: {len(rows)} claims judged; {trained} of {len(places)} experiments trained"


def _measure(declared: Claims, topic: str, name: str, dataset: str, path: Path, *, jobs: int) -> bool:
    """Run an experiment on a data set unless its finished file still holds; whether it was run."""
    from pipeline.sources import sources  # noqa: PLC0415

    experiment, seeds = declared.topics[topic].experiments[name], declared.ledger.seeds
    wanted = declared.ledger.datasets[dataset]
    settings = experiment.model_dump(mode="json", exclude={"datasets"})
    source = [Path(wanted.path)] if isinstance(wanted, tasks.File) else []
    made = made_from(MEASURING, parts=[settings, wanted.model_dump(mode="json"), dataset, seeds], files=source)
    if store.is_current(path, made):
        return False
    pooled = sources.build(dataset, wanted, seeds=seeds)
    _run(f"{topic}: {name} on {dataset}", experiment, pooled, seeds, path, jobs=jobs)
    store.mark_current(path, made)
    return True


def _run(what: str, experiment: Experiment, dataset: Dataset, seeds: int, path: Path, *, jobs: int) -> None:
    """Train and measure, with progress, and write what was found."""
    from pipeline.data.data import describe  # noqa: PLC0415
    from pipeline.experiments.experiments import epochs_of, run  # noqa: PLC0415

    with progress(what, epochs_of(experiment, seeds=seeds), "epochs") as tick:
        arrays, audit = run(experiment, dataset, seeds=seeds, jobs=jobs, tick=tick)
    summary = {**describe(dataset), "name": path.stem}
    store.write_arrays(path, arrays, {"dataset": summary, "cells": list(experiment.cells), "audit": audit})


def _read(path: Path) -> tuple[Measured, list[Row]]:
    from pipeline.claims.measured import Measured  # noqa: PLC0415

    arrays, about = store.read_arrays(path)
    return Measured(arrays, about["dataset"]), about["audit"]


def ledger(*, jobs: int) -> str:
    """Join what all topics found, draw a figure for every claim, and write the report's part."""
    from joblib import Parallel, delayed  # noqa: PLC0415

    from pipeline.experiments.grammar import load  # noqa: PLC0415

    table = _joined(list(load(CLAIMS).topics))
    store.write_json(LEDGER, table)
    wanted = [(claim["id"], claim) for claim in table["claims"]] + [(name, table) for name in SUMMARIES]
    drawn = []
    with progress("claims: drawing", len(wanted), "figures") as tick:
        for one in Parallel(n_jobs=jobs, return_as="generator")(delayed(_draw)(*each) for each in wanted):
            drawn.append(one)
            tick(1)
    files, pictures = written(drawn)
    store.keep_only(claim_figure_file(""), files)
    store.write_json(CLAIMS_SECTION, {"table": table, "pictures": {n: p._asdict() for n, p in pictures.items()}})
    told = ", ".join(f"{count} {word}" for word, count in table["counts"].items())
    return f"{LEDGER}: {len(table['claims'])} claims, {told}; {claim_figure_file('')}: {len(files)} files"


def _joined(topics: list[str]) -> Row:
    from pipeline.claims.verdicts import counted  # noqa: PLC0415

    tables = [store.read_json(claims_file(topic)) for topic in topics]
    rows = [{"topic": table["topic"], **claim} for table in tables for claim in table["claims"]]
    return {
        "seeds": max(table["seeds"] for table in tables),
        "counts": counted([row["verdict"] for row in rows]),
        "claims": rows,
        "audit": [row for table in tables for row in table["audit"]],
    }


def _draw(name: str, table: Row) -> Drawn:
    """A claim's figure, or one of the whole ledger: the work of one worker."""
    from pipeline.figures import canvas, claim_plots  # noqa: PLC0415

    with canvas.styled():
        if name == "ledger":
            return forms_at(claim_figure_file(name), claim_plots.ledger_figure(table))
        drawing = claim_plots.audit_figure(table["audit"]) if name == "audit" else claim_plots.claim_figure(table)
        return forms_at(claim_figure_file(name), drawing)
