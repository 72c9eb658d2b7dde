"""Textbook in MLflow: a run a claim, under one for its topic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.results.textbook import SENTENCE_VERDICTS, VERDICTS, ClaimResult, TextbookResults
from pipeline.tracking import views
from pipeline.tracking.builder import CURRENT, as_csv
from pipeline.tracking.runs import ExperimentPage, RunRecord

EXPERIMENT = "textbook"
VIEW = "claims"
WORDS = {verdict: verdict for verdict in (*VERDICTS, *SENTENCE_VERDICTS)} | {"inconclusive": "open"}
"""Verdicts, as all other surfaces write them."""


def records_of(results: TextbookResults, figures: Mapping[str, Path]) -> list[RunRecord]:
    """A record for each claim, then one for each topic; `figures` are PNG files by claim."""
    topics = dict.fromkeys(claim.topic for claim in results.claims)
    return [
        *(_claim_record(claim, figures) for claim in results.claims),
        *(_topic_record(topic, results) for topic in topics),
    ]


def experiment_of(results: TextbookResults) -> ExperimentPage:
    """What the page of the experiment says."""
    counts = ", ".join(f"{getattr(results.counts, verdict)} {verdict}" for verdict in SENTENCE_VERDICTS)
    parts = [f"parts/{WORDS[verdict]}" for verdict in VERDICTS]
    return ExperimentPage(
        name=EXPERIMENT,
        description=(
            f"What the textbook says of regularization, and what was measured: {counts}. Every sentence is a run under "
            f"the run of its topic, with its figure and the table of its effects: [all of them](table:{VIEW})."
        ),
        views={
            VIEW: views.saved(
                "Sentences and verdicts",
                columns=[
                    views.tag("verdict"),
                    views.tag("topic"),
                    *map(views.metric, parts),
                    "attributes.`Description`",
                ],
                search=f'{CURRENT} AND tags.level = "claim"',
                order_by=views.tag("mlflow.runName"),  # the server knows no attribute `Run Name`
                sections=[views.section("Parts", [views.bars(name) for name in parts], columns=3, height=520)],
                folded=["effect", "parts"],
            )
        },
    )


def _claim_record(claim: ClaimResult, figures: Mapping[str, Path]) -> RunRecord:
    cells = [cell for effect in claim.effects for cell in effect.cells]
    counts = {WORDS[verdict]: int(getattr(claim.counts, verdict)) for verdict in VERDICTS}
    parts = ", ".join(f"{count} of its parts {verdict}" for verdict, count in counts.items() if count)
    ends = [
        (f"effect/{end}", value, step)
        for step, cell in enumerate(cells)
        for end, value in (("mean", cell.mean), ("low", cell.low), ("high", cell.high))
        if value is not None
    ]
    return RunRecord(
        key=f"{EXPERIMENT}/{claim.topic}/{claim.id}",
        experiment=EXPERIMENT,
        name=claim.id,
        parent=f"{EXPERIMENT}/{claim.topic}",
        description=f"{claim.sentence} **{WORDS[claim.verdict]}**: {parts}. Source: {claim.source}.",
        params={"seeds": claim.seeds, "quantifier": claim.quantifier},
        tags={
            "topic": claim.topic,
            "verdict": WORDS[claim.verdict],
            "datasets": ", ".join(claim.datasets),
            "level": "claim",
        },
        metrics=[*((f"parts/{verdict}", float(count), 0) for verdict, count in counts.items()), *ends],
        artifacts={
            **({f"figures/{claim.id}.png": figures[claim.id]} if claim.id in figures else {}),
            **({"tables/effects.csv": _effects_table(claim)} if cells else {}),
        },
    )


def _topic_record(topic: str, results: TextbookResults) -> RunRecord:
    key = f"{EXPERIMENT}/{topic}"
    listed = "\n".join(
        f"- [{claim.id}](record:{key}/{claim.id}): {claim.sentence} **{WORDS[claim.verdict]}**"
        for claim in results.claims
        if claim.topic == topic
    )
    return RunRecord(
        key=key,
        experiment=EXPERIMENT,
        name=topic,
        description=f"What the textbook says of {topic.replace('_', ' ')}:\n\n{listed}",
        tags={"topic": topic, "level": "topic"},
    )


def _effects_table(claim: ClaimResult) -> bytes:
    """All effects of a claim, a row a cell."""
    return as_csv(
        {
            "says": effect.says,
            "metric": effect.metric,
            "direction": effect.direction,
            "least": effect.least,
            "dataset": cell.dataset,
            "at": ", ".join(f"{name}={value}" for name, value in cell.at.items()),
            "of": cell.of,
            "against": cell.against,
            "mean": cell.mean,
            "low": cell.low,
            "high": cell.high,
            "n": cell.n,
            "verdict": WORDS[cell.verdict],
        }
        for effect in claim.effects
        for cell in effect.cells
    )
