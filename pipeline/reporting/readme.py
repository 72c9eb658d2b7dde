"""Generated parts of README.md and docs/, from finished tables, benchmarks and the stage graph."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.core.errors import InputError
from pipeline.reporting.text import (
    answer,
    large_tables,
    leaderboard,
    reliability,
    search,
    study,
    textbook,
    training_race,
)
from pipeline.reporting.text.contest import ContestBenchmark, markdown
from pipeline.reporting.text.large_tables import LargeBenchmark
from pipeline.reporting.text.learning_rate import learning_rates
from pipeline.reporting.text.reliability import Campaign
from pipeline.reporting.text.training_race import TrainingRace
from pipeline.results.readable_names import readable, readable_arms
from pipeline.results.record import Record
from pipeline.results.search import SearchResults
from pipeline.results.study import StudyResults
from pipeline.results.textbook import TextbookResults

PARTS = {
    "README.md": ("card", "finds"),
    "docs/method.md": ("rate", "answer", "results", "sample"),
    "docs/guide.md": ("search",),
    "docs/textbook.md": ("claims",),
    "docs/performance.md": ("contest", "speed", "training_race", "race", "large"),
    "docs/reliability.md": ("faults",),
    "docs/architecture.md": ("graph",),
}
"""The generated parts of each document, relative to the project's folder."""

SAMPLE = "dropout 0.5"  # the point whose line the documents explain, or the first where there is none
Stage = Mapping[str, Any]  # of dvc.yaml, as DVC defines it


class EngineRow(Record):
    """How long a step of one member takes.

    Attributes:
        name: of who takes it.
        microseconds: median over rounds.
        range: least and greatest of the rounds.
        bound: as a multiple of the matrix products of a stack of as many members.
        cached: as a multiple of those of a stack that stays in the cache.
        gain: how many times as fast as a loop over a `DataLoader`.
    """

    name: str
    microseconds: float
    range: tuple[float, float]
    bound: float
    cached: float
    gain: float


class EngineBenchmark(Record):
    """benchmarks/engine.json."""

    machine: str
    network: str
    rounds: int
    rows: tuple[EngineRow, ...]


class SearchRow(Record):
    """How long one way of searching takes, in seconds, and what it finds."""

    name: str
    seconds: float
    range: tuple[float, float]
    gain: float
    best: float
    fresh: float
    values: tuple[tuple[float, float], ...]
    parts: dict[str, float] | None = None


class SearchBenchmark(Record):
    """benchmarks/search.json."""

    machine: str
    setting: str
    rounds: int
    rows: tuple[SearchRow, ...]


@dataclass(frozen=True)
class Sources:
    """What the documents quote: results of each data set, benchmarks, and the stages of dvc.yaml."""

    studies: Sequence[StudyResults]
    sentence: str  # what holds across data sets
    searches: Sequence[SearchResults]
    textbook: TextbookResults
    engine: EngineBenchmark
    race: SearchBenchmark
    training_race: TrainingRace
    contest: ContestBenchmark
    campaign: Campaign
    large: LargeBenchmark
    stages: Mapping[str, Stage]


def refresh(text: str, parts: Mapping[str, str], *, document: str) -> str:
    """A document with every part between `<!-- begin NAME -->` and `<!-- end NAME -->` written anew.

    Raises:
        InputError: the text lacks a part, or has one that is not known.
    """
    begun = re.findall(r"<!-- begin (\w+) -->", text)
    if sorted(begun) != sorted(parts) or begun != re.findall(r"<!-- end (\w+) -->", text):
        wanted = ", ".join(sorted(parts))
        raise InputError(f"{document}: must have the parts {wanted}, each with its end, got {', '.join(begun)}")
    for name, part in parts.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, _, after = text.partition(begin)
        text = before + begin + part.strip() + "\n" + end + after.partition(end)[2]
    return text


def generated_parts(sources: Sources) -> dict[str, str]:
    """The generated parts by name; `PARTS` says where each belongs."""
    tuned = {each.results.dataset.name: each.results for each in sources.searches}
    answers = [f"- {_answer(results, tuned)}" for results in sources.studies]
    return {
        "card": answer.card_markdown(sources.searches[-1].results) if sources.searches else "",
        "finds": leaderboard.readme_table(list(sources.searches)),
        "rate": "\n".join(_rate(results, tuned) for results in sources.studies),
        "answer": "\n".join([*answers, "", sources.sentence]),
        "sample": _sample(sources.studies[0]),
        "results": "\n\n".join(study.readme_table(results) for results in sources.studies),
        "graph": _graph(sources.stages),
        "speed": _speed(sources.engine),
        "race": _race(sources.race),
        "training_race": training_race.markdown(sources.training_race),
        "contest": markdown(sources.contest),
        "faults": reliability.markdown(sources.campaign),
        "large": large_tables.markdown(sources.large),
        "search": search.readme_tables(sources.searches),
        "claims": textbook.markdown(sources.textbook),
    }


def _answer(results: StudyResults, tuned: Mapping[str, StudyResults]) -> str:
    """That of the search, or of the study where nothing was searched."""
    found = tuned.get(results.dataset.name)
    return answer.markdown(results) if found is None else answer.markdown(found, name=readable_arms)


def _rate(results: StudyResults, tuned: Mapping[str, StudyResults]) -> str:
    name = results.dataset.name
    return f"- **{name}**: {learning_rates(results, tuned.get(name, results))}"


def _sample(results: StudyResults) -> str:
    """The header of the printed table and one of its lines."""
    lines = study.render(results).splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith(readable(results.reference.key)))
    line = next((line for line in lines if line.startswith(f"{SAMPLE} ")), lines[first])
    return "\n".join(["```text", *lines[:first], line, "```"])


def _graph(stages: Mapping[str, Stage]) -> str:
    """The stages and what passes between them, as a Mermaid flow chart."""
    made = {path: name for name, stage in stages.items() for path in _paths(stage, "outs", "metrics", "plots")}
    names = {
        name: "@".join([name, "-".join(stage["matrix"])] if "matrix" in stage else [name])
        for name, stage in stages.items()
    }
    arrows = {
        (source, name): None
        for name, stage in stages.items()
        for dep in _paths(stage, "deps")
        for path, source in made.items()
        if source != name and (path == dep or path.startswith(f"{dep}/") or dep.startswith(f"{path}/"))
    }
    lines = [f'    {name}["{shown}"]' for name, shown in names.items()] + [f"    {a} --> {b}" for a, b in arrows]
    return "\n".join(["```mermaid", "flowchart LR", *lines, "```"])


def _paths(stage: Stage, *sections: str) -> list[str]:
    entries = [entry for section in sections for entry in stage.get(section, [])]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def _speed(speed: EngineBenchmark) -> str:
    """The benchmark of the engine, as Markdown."""
    lines = [f"{speed.machine}: {speed.network}.", ""]
    lines += [
        "| | µs per member and step | times its own bound | times the in-cache bound | faster than `DataLoader` |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.name} | {row.microseconds:,.0f} | {row.bound:.2f} | {row.cached:.2f} | {row.gain:.1f} |"
        for row in speed.rows
        if not row.name.startswith("bound")
    ]
    return "\n".join(lines)


def _race(race: SearchBenchmark) -> str:
    """The benchmark of whole searches, as Markdown."""
    lines = [f"{race.machine}: {race.setting}; medians of {race.rounds} rounds.", ""]
    lines += ["| | seconds | times the stack's | best NLL found | on 20 other seeds |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {row.name} | {row.seconds:.1f} | {row.gain:.1f} | {row.best:.3f} | {row.fresh:.3f} |" for row in race.rows
    ]
    return "\n".join(lines)
