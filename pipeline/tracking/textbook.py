"""What the tracking server says of the claims ledger: a record a sentence, under one for its topic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.tracking import views
from pipeline.tracking.artifacts import as_csv
from pipeline.tracking.records import Experiment, Record

Row = Mapping[str, Any]
EXPERIMENT = "claims"
VIEW = "claims"
COUNTED = ("supported", "refuted", "inconclusive")
COLUMNS = (
    "says",
    "metric",
    "direction",
    "least",
    "dataset",
    "at",
    "of",
    "against",
    "mean",
    "low",
    "high",
    "n",
    "verdict",
)


def records_of(table: Row, figures: Mapping[str, Path]) -> list[Record]:
    """A record for each claim of the joined table, then one for each topic; `figures` are drawn ones by claim."""
    topics = dict.fromkeys(claim["topic"] for claim in table["claims"])
    return [*(_claim(claim, figures) for claim in table["claims"]), *(_topic(topic, table) for topic in topics)]


def experiment_of(table: Row) -> Experiment:
    """What the page of the experiment says."""
    told = ", ".join(f"{count} {word}" for word, count in table["counts"].items())
    return Experiment(
        name=EXPERIMENT,
        description=(
            f"What the textbook says of regularization, and what was measured: {told}. Every sentence is a run under "
            f"the run of its topic, with its figure and the table of its effects: [all of them](table:{VIEW})."
        ),
        views={
            VIEW: views.saved(
                "Sentences and verdicts",
                columns=[
                    views.tag("verdict"),
                    views.tag("topic"),
                    *map(views.metric, (f"parts/{word}" for word in COUNTED)),
                    "attributes.`Description`",
                ],
                search='tags.superseded = "false" AND tags.level = "claim"',
                order_by=views.tag("mlflow.runName"),  # the server knows no attribute `Run Name`
                sections=[
                    views.section("Parts", [views.bars(f"parts/{word}") for word in COUNTED], columns=3, height=520)
                ],
                folded=["effect", "parts"],
            )
        },
    )


def _claim(claim: Row, figures: Mapping[str, Path]) -> Record:
    cells = [(effect, cell) for effect in claim["effects"] for cell in effect["cells"]]
    drawn = {f"figures/{claim['id']}.png": figures[claim["id"]]} if claim["id"] in figures else {}
    return Record(
        key=_key(claim["topic"], claim["id"]),
        experiment=EXPERIMENT,
        name=claim["id"],
        parent=_key(claim["topic"]),
        description=f"{claim['sentence']} **{claim['verdict']}**: {_parts(claim)}. Source: {claim['source']}.",
        params={"seeds": claim["seeds"], "quantifier": claim["quantifier"]},
        tags={
            "topic": claim["topic"],
            "verdict": claim["verdict"],
            "datasets": ", ".join(claim["datasets"]),
            "level": "claim",
        },
        metrics=[
            *((f"parts/{word}", float(claim["counts"][word]), 0) for word in COUNTED),
            *(
                (f"effect/{end}", float(cell[end]), step)
                for step, (_, cell) in enumerate(cells)
                for end in ("mean", "low", "high")
                if cell[end] is not None
            ),
        ],
        artifacts={**drawn, **({"tables/effects.csv": _effects_table(claim)} if cells else {})},
    )


def _topic(topic: str, table: Row) -> Record:
    claims = [claim for claim in table["claims"] if claim["topic"] == topic]
    listed = "\n".join(
        f"- [{claim['id']}](record:{_key(topic, claim['id'])}): {claim['sentence']} **{claim['verdict']}**"
        for claim in claims
    )
    return Record(
        key=_key(topic),
        experiment=EXPERIMENT,
        name=topic,
        description=f"What the textbook says of {topic.replace('_', ' ')}:\n\n{listed}",
        tags={"topic": topic, "level": "topic"},
    )


def _parts(claim: Row) -> str:
    """How many of its parts are what, those that are none left out."""
    return ", ".join(f"{claim['counts'][word]} of its parts {word}" for word in COUNTED if claim["counts"][word])


def _effects_table(claim: Row) -> bytes:
    """All effects of a claim, a row for each place where it was measured."""
    rows = []
    for effect in claim["effects"]:
        for cell in effect["cells"]:
            at = ", ".join(f"{field}={value}" for field, value in cell["at"].items())
            every = {**effect, **cell, "at": at}
            rows.append({name: every[name] for name in COLUMNS})
    return as_csv(rows)


def _key(*parts: str) -> str:
    return "/".join((EXPERIMENT, *parts))
