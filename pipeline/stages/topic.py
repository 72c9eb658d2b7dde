"""The command `topic`: train a topic's experiments, and judge its claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.reading import look_up
from pipeline.config.textbook import load_textbook, load_topic
from pipeline.core.errors import InputError
from pipeline.core.paths import TEXTBOOK, claims_file, topic_file

if TYPE_CHECKING:
    from pipeline.config.claims import Topic
    from pipeline.config.textbook import Textbook
    from pipeline.results.textbook import AuditRow
    from pipeline.textbook.cell_training import SeedSplits
    from pipeline.textbook.experiment_results import ExperimentScores


def topic(topic: str, *, jobs: int) -> str:
    """Train a topic's cells, except those that the memo holds, and judge its claims."""
    from pipeline.results.record import write_record  # noqa: PLC0415
    from pipeline.results.textbook import TopicResults  # noqa: PLC0415
    from pipeline.textbook.exact_checks import CHECKS  # noqa: PLC0415
    from pipeline.textbook.ledger import TopicScores, claim_result  # noqa: PLC0415

    textbook = load_textbook(TEXTBOOK)
    look_up(topic, dict.fromkeys(textbook.topics), f"{TEXTBOOK}: topics")
    declared = _checked(textbook)[topic]
    scores, audit, progress = _run_experiments(topic, declared, textbook, jobs=jobs)
    checks = {name: CHECKS[name]() for claim in declared.claims.values() for name in claim.checks}
    inputs = TopicScores(topic, declared, scores, checks)
    claims = tuple(claim_result(name, inputs) for name in declared.claims)
    target = claims_file(topic)
    write_record(target, TopicResults(topic=topic, seeds=textbook.seeds, claims=claims, audit=audit))
    return f"{target}: {len(claims)} claims judged; {progress}"


def _checked(textbook: Textbook) -> dict[str, Topic]:
    """Every topic of the textbook, checked whole before the first network is trained."""
    from pipeline.textbook.known_names import require_known_names  # noqa: PLC0415

    topics = {name: load_topic(topic_file(name), textbook) for name in textbook.topics}
    for name, declared in topics.items():
        require_known_names(declared, textbook.datasets, str(topic_file(name)))
    first: dict[str, str] = {}
    for name, claim in [(name, claim) for name, declared in topics.items() for claim in declared.claims]:
        if claim in first:
            others = f"must differ from those of {topic_file(first[claim])}"
            raise InputError(f"{topic_file(name)}: claims: {others}, got {claim!r}")
        first[claim] = name
    return topics


def _run_experiments(
    name: str, topic: Topic, textbook: Textbook, *, jobs: int
) -> tuple[dict[str, list[ExperimentScores]], tuple[AuditRow, ...], str]:
    """The scores of every experiment on each of its data sets, the audit's rows, and what was done, in words."""
    from pipeline.textbook.experiment_results import ExperimentScores, SplitSizes, properties_of  # noqa: PLC0415
    from pipeline.textbook.experiments import run  # noqa: PLC0415

    scores: dict[str, list[ExperimentScores]] = {experiment: [] for experiment in topic.experiments}
    audit: list[AuditRow] = []
    scored = cells = 0
    drawn: dict[tuple[str, int], SeedSplits] = {}
    for label, experiment in topic.experiments.items():
        seeds = experiment.seeds or textbook.seeds
        for dataset in experiment.datasets:
            if (dataset, seeds) not in drawn:
                drawn[dataset, seeds] = _splits(dataset, textbook, seeds)
            splits = drawn[dataset, seeds]
            siblings = [
                each
                for each in topic.experiments.values()
                if dataset in each.datasets and (each.seeds or textbook.seeds) == seeds
            ]
            title = f"{name}: {label} on {dataset}"
            result = run(experiment, splits, name=dataset, jobs=jobs, siblings=siblings, title=title)
            about = properties_of(splits.dataset)
            scores[label].append(ExperimentScores(result.arrays, SplitSizes.of(dataset, splits.dataset), about))
            audit += result.audit
            scored, cells = scored + result.scored, cells + len(experiment.cells)
    return scores, tuple(audit), f"{scored} of {cells} cells trained or scored"


def _splits(dataset: str, textbook: Textbook, seeds: int) -> SeedSplits:
    """A data set, split for so many seeds."""
    from pipeline.textbook.cell_training import SeedSplits  # noqa: PLC0415

    return SeedSplits(textbook.datasets[dataset].load(dataset, seeds=seeds), seeds)
