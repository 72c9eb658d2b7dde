"""The command `export`: copy the finished tables that git keeps from results/ to reports/."""

from __future__ import annotations

from pipeline.config.params import load_params
from pipeline.config.reading import look_up
from pipeline.core.files import read_bytes, write_bytes
from pipeline.core.paths import PARAMS, plot_file, report_file, result_file

TABLES = (
    *("results.json", "points.parquet", "calibrators.json", "search.json", "best.json", "baselines.json"),
    *("champion.json", "trials.csv"),
)
PLOTTED = ("history", "reliability", "sweeps")


def export(dataset: str) -> str:
    """Copy a data set's finished tables: DVC's run cache leaves out stages whose outputs are not in its cache."""
    look_up(dataset, load_params(PARAMS).datasets, f"{PARAMS}: datasets")
    copies = {report_file(dataset, name): result_file(dataset, name) for name in TABLES}
    copies |= {plot_file(kind, dataset): result_file(dataset, f"{kind}.csv") for kind in PLOTTED}
    for target, source in copies.items():
        write_bytes(target, read_bytes(source))
    return f"reports: {len(copies)} tables of {dataset}"
