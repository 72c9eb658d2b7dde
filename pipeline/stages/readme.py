"""The command `readme`: write the generated parts of README.md and docs/."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.params import load_params
from pipeline.config.reading import read_yaml
from pipeline.core.files import read_json, write_bytes
from pipeline.core.paths import LEDGER, PARAMS, SUMMARY, report_file
from pipeline.results.record import read_record
from pipeline.results.search import SearchResults
from pipeline.results.study_files import read_study
from pipeline.results.textbook import TextbookResults


def readme() -> str:
    """Write the numbers of README.md and docs/ from the results, the benchmarks and dvc.yaml."""
    from pipeline.reporting.readme import (  # noqa: PLC0415
        PARTS,
        EngineBenchmark,
        SearchBenchmark,
        Sources,
        generated_parts,
        refresh,
    )
    from pipeline.reporting.text.contest import ContestBenchmark  # noqa: PLC0415
    from pipeline.reporting.text.large_tables import LargeBenchmark  # noqa: PLC0415
    from pipeline.reporting.text.reliability import Campaign  # noqa: PLC0415
    from pipeline.reporting.text.training_race import TrainingRace  # noqa: PLC0415

    datasets = load_params(PARAMS).study.datasets
    sources = Sources(
        studies=[read_study(report_file(dataset, "results.json")) for dataset in datasets],
        sentence=read_json(SUMMARY)["sentence"],
        searches=[read_record(SearchResults, report_file(dataset, "search.json")) for dataset in datasets],
        textbook=read_record(TextbookResults, LEDGER),
        engine=read_record(EngineBenchmark, Path("benchmarks/engine.json")),
        race=read_record(SearchBenchmark, Path("benchmarks/search.json")),
        training_race=read_record(TrainingRace, Path("benchmarks/training_race.json")),
        contest=read_record(ContestBenchmark, Path("benchmarks/champion.json")),
        campaign=read_record(Campaign, Path("benchmarks/campaign.json")),
        large=read_record(LargeBenchmark, Path("benchmarks/large.json")),
        stages=read_yaml(Path("dvc.yaml"))["stages"],
    )
    made = generated_parts(sources)
    for document, names in PARTS.items():
        path = Path(document)
        parts = {name: made[name] for name in names}
        write_bytes(path, refresh(path.read_text(encoding="utf-8"), parts, document=document).encode())
    return f"{', '.join(PARTS)}: written from the results"
