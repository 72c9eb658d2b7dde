"""The pages of the study and of the textbook: HTML that needs nothing from outside, for a phone and for print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.reporting.figures.embedding import data_uri
from pipeline.reporting.sections import Picture, Section
from pipeline.reporting.table import Cell, Table
from pipeline.reporting.text import (
    audit,
    baselines,
    calibrators,
    champion,
    ensembles,
    references,
    search,
    study,
    textbook,
    textbook_map,
)
from pipeline.reporting.text.answer import Card, card
from pipeline.reporting.text.columns import columns_table, finding_notes
from pipeline.reporting.text.glossary import TERMS, explained
from pipeline.reporting.text.leaderboard import leaderboard
from pipeline.reporting.text.learning_rate import learning_rates
from pipeline.reporting.text.summary import overview
from pipeline.results.readable_names import readable, readable_arms
from pipeline.results.search import SearchResults
from pipeline.results.study import StudyResults
from pipeline.results.summary import Summary
from pipeline.results.textbook import ClaimResult, TextbookResults

TEMPLATES = Path(__file__).parent / "templates"
MADE_WITH = ("torch", "numpy", "scipy", "scikit-learn", "optuna", "matplotlib")
SETUP = ("hidden", "epochs", "batch_size", "optimizer", "learning_rate", "schedule", "balance")
TITLES = {
    "headline": "Calibration error against generalization gap",
    "rankings": "Who wins where",
    "forest": "Which regularizers change the test NLL, and by how much?",
    "calibration": "What does calibration change?",
    "reliability": "Can the probabilities be trusted?",
    "curves": "How do the networks overfit?",
    "sweeps": "How strong should a regularizer be?",
    "best": "What is the best that each regularizer can do?",
    "arms": "What are the winners worth?",
    "interactions": "Do regularizers add up?",
    "pareto": "What does one objective cost in the other?",
    "champion": "Is the model worth it, and can its probabilities be trusted?",
    "map": "Which tuned regularizer wins?",
    "ledger": "All sentences at a glance",
    "audit": "How good are the estimators of calibration?",
}
SECTION = ("forest", "calibration", "reliability", "curves", "sweeps")
"""Figures of strengths set beforehand, in this order."""
SEARCH = ("arms", "interactions", "pareto")
"""Figures of the search."""


@dataclass(frozen=True)
class Figure:
    """A picture as a page shows it; `label` is for those who cannot see it."""

    name: str
    id: str
    title: str
    label: str
    alt: str
    caption: str
    data: str


@dataclass(frozen=True)
class StudyPart:
    """What the study page says of one data set."""

    name: str
    results: StudyResults
    search: SearchResults
    learning_rates: str
    card: Card
    columns: Table | None
    findings: tuple[str, ...]
    points: Table
    changes: Table
    calibration: Table
    figures: tuple[Figure, ...]
    calibrators: Table
    calibrators_said: tuple[str, ...]
    conclusion: tuple[str, ...]
    budget: str
    arms: Table
    contenders: Table
    pairs: Table
    search_notes: tuple[str, ...]
    averages: Table | None
    averages_said: tuple[str, ...]
    baselines: Table | None
    baselines_said: tuple[str, ...]
    champion: Table
    champion_figure: Figure
    champion_parts: Table
    champion_classes: Table | None
    champion_decisions: Table | None
    champion_said: tuple[str, ...]
    search_figures: tuple[Figure, ...]


@dataclass(frozen=True)
class ClaimPart:
    """What the textbook page says of one sentence."""

    id: str
    claim: ClaimResult
    verdict: Cell
    finding: str
    outcomes: tuple[tuple[Cell, str], ...]
    figure: Figure | None


def study_page(
    sections: Sequence[Section], summary: Summary, pictures: Mapping[str, Picture], *, textbook_link: str = ""
) -> str:
    """The study page: answer, search and results of every data set, what holds on all of them, methods and limits.

    Args:
        sections: of the data sets, in the page's order.
        summary: what holds on all of them.
        pictures: `headline`, `rankings` and `best`.
        textbook_link: where the textbook page is, relative to this one; empty where none is to be linked.
    """
    parts = [_study_part(section) for section in sections]
    parameters = sections[0].results.reference_point.parameters
    return environment().get_template("study.html.jinja").render(
        studies=parts,
        overview=overview(summary, [part.name for part in parts]),
        headline=figure_of("headline", pictures["headline"]),
        rankings=figure_of("rankings", pictures["rankings"]),
        best=figure_of("best", pictures["best"]),
        leaderboard=leaderboard([(section.results, section.search, section.baselines) for section in sections]),
        protocols=_protocols([section.results for section in sections]),
        terms=TERMS,
        setup={name: getattr(parameters, name) for name in SETUP},
        textbook=textbook_link,
        references=references.STUDY,
    )  # fmt: skip


def textbook_page(table: TextbookResults, pictures: Mapping[str, Picture]) -> str:
    """The textbook page: every sentence with its verdict and figure, the audit of estimators, methods and limits.

    Args:
        table: the finished table of all claims.
        pictures: `ledger`, `audit`, and those of claims by their id, as far as they are drawn.
    """
    topics = dict.fromkeys(claim.topic for claim in table.claims)
    entries = [_claim_part(claim, pictures.get(claim.id)) for claim in table.claims]
    return environment().get_template("textbook.html.jinja").render(
        seeds=table.seeds,
        counted=textbook.counted(table),
        claims=textbook.claims_table(table),
        topics=[(topic, [entry for entry in entries if entry.claim.topic == topic]) for topic in topics],
        ledger=_known("ledger", pictures),
        map=_known("map", pictures),
        map_reading=textbook_map.reading(table.map) if table.map else "",
        audit=audit.audit_table(table.audit),
        audit_figure=_known("audit", pictures),
        references=references.TEXTBOOK,
    )  # fmt: skip


def _protocols(studies: Sequence[StudyResults]) -> list[tuple[str, list[str]]]:
    """Sentences on seeds and intervals, each once, below the data sets that they are true of."""
    said: dict[str, list[str]] = {}
    for results in studies:
        for sentence in study.protocol_sentences(results.protocol):
            said.setdefault(sentence, []).append(results.dataset.name)
    grouped: dict[str, list[str]] = {}
    for sentence, names in said.items():
        grouped.setdefault(", ".join(names), []).append(sentence)
    return list(grouped.items())


@cache
def environment() -> Environment:
    """Jinja with the pages' templates, which fail where something is not given."""
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters["explained"] = explained
    jinja.globals |= {
        "readable": readable,
        "readable_arms": readable_arms,
        "made_with": {name: version(name).partition("+")[0] for name in MADE_WITH},  # +cpu and no suffix: the same page
    }
    return jinja


def _study_part(section: Section) -> StudyPart:
    results, pictures = section.results, section.pictures
    name, table = results.dataset.name, results.dataset.table
    return StudyPart(
        name=name,
        results=results,
        search=section.search,
        learning_rates=learning_rates(results, section.search.results),
        card=card(section.search.results),
        columns=None if table is None else columns_table(table),
        findings=() if table is None else (*table.remarks, *finding_notes(table.findings)),
        points=study.page_table(results),
        changes=study.changes_table(results),
        calibration=study.calibration_table(results),
        figures=tuple(figure_of(key, pictures[key], name) for key in SECTION if key in pictures),
        calibrators=calibrators.page_table(results, section.calibrators),
        calibrators_said=tuple(calibrators.sentences(section.calibrators)),
        conclusion=tuple(search.conclusion(section.search)),
        budget=search.budget(section.search),
        arms=search.arms_table(section.search),
        contenders=search.contenders_table(section.search),
        pairs=search.pairs_table(section.search),
        search_notes=tuple(search.comparison_notes(section.search)),
        averages=ensembles.table(section.search),
        averages_said=tuple(ensembles.sentences(section.search)),
        baselines=baselines.page_table(results, section.baselines) if section.baselines.baselines else None,
        baselines_said=tuple(baselines.sentences(section.baselines)),
        champion=champion.table(section.champion),
        champion_figure=figure_of("champion", pictures["champion"], name),
        champion_parts=champion.parts_table(section.champion),
        champion_classes=champion.classes_table(section.champion),
        champion_decisions=champion.decisions_table(section.champion),
        champion_said=tuple(champion.sentences(section.champion)),
        search_figures=tuple(figure_of(key, pictures[key], name) for key in SEARCH if key in pictures),
    )


def _claim_part(claim: ClaimResult, picture: Picture | None) -> ClaimPart:
    return ClaimPart(
        id=textbook.anchor(claim),
        claim=claim,
        verdict=textbook.verdict_cell(claim.verdict),
        finding=textbook.finding(claim),
        outcomes=tuple((textbook.verdict_cell(verdict), sentence) for verdict, sentence in textbook.outcomes(claim)),
        figure=None if picture is None else _claim_figure(claim, picture),
    )


def _known(name: str, pictures: Mapping[str, Picture]) -> Figure | None:
    return figure_of(name, pictures[name]) if name in pictures else None


def figure_of(name: str, picture: Picture, dataset: str = "") -> Figure:
    """A picture of one data set, or of all."""
    title = TITLES[name]
    return Figure(
        name=name,
        id=f"{name}-{dataset or 'all'}",
        title=title,
        label=f"{title}, {dataset or 'all'}",
        alt=_alt(f"{title} ({dataset})" if dataset else title),
        caption=picture.caption,
        data=data_uri(picture.svg),
    )


def _claim_figure(claim: ClaimResult, picture: Picture) -> Figure:
    return Figure(
        name="claim",
        id=f"figure-{textbook.anchor(claim)}",
        title=claim.sentence,
        label=claim.sentence,
        alt=_alt(claim.sentence),
        caption=picture.caption,
        data=data_uri(picture.svg),
    )


def _alt(title: str) -> str:
    return f"{title.rstrip('.')}: the text below says how to read it."
