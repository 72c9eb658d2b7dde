"""The command `readme`: write the generated parts of the README."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.params import load_params
from pipeline.config.reading import read_yaml
from pipeline.core.files import (
    read_json,
    write_bytes,
)
from pipeline.core.paths import (
    LEDGER,
    PARAMS,
    README,
    SUMMARY,
    report_file,
)
from pipeline.stages.tables import results_of

if TYPE_CHECKING:
    pass


def readme() -> str:
    """Write the README's numbers from the results, the benchmark and dvc.yaml."""
    from pipeline.reporting.readme import parts, refresh  # noqa: PLC0415

    params = load_params(PARAMS)
    made = parts(
        [results_of(dataset) for dataset in params.study.datasets],
        read_json(SUMMARY),
        {name: read_json(Path(f"benchmarks/{name}.json")) for name in ("engine", "search")},
        read_yaml(Path("dvc.yaml"))["stages"],
        [read_json(report_file(dataset, "search.json")) for dataset in params.study.datasets],
        read_json(LEDGER),
    )
    write_bytes(README, refresh(README.read_text(encoding="utf-8"), made).encode())
    return f"{README}: {', '.join(made)} written from the results"
