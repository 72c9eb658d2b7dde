"""The command `generate`: draw or read a data set and divide it for every seed; and a word on too few seeds."""

from __future__ import annotations

from pipeline.config.params import load_params
from pipeline.config.reading import look_up
from pipeline.core.arrays import write_arrays
from pipeline.core.paths import PARAMS, data_file
from pipeline.data.splits import SPLITS
from pipeline.data.storage import to_arrays


def generate(dataset: str) -> str:
    """Draw or read a data set and divide it for every seed; warn of too few seeds, before anything is trained."""
    from pipeline.reporting.text.seeds import too_few_seeds  # noqa: PLC0415
    from pipeline.reporting.text.understood import understood_lines  # noqa: PLC0415

    params = load_params(PARAMS)
    source = look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    made = source.load(dataset, seeds=params.tuning_seeds.stop)
    write_arrays(data_file(dataset), *to_arrays(made))
    parts = ", ".join(f"{getattr(made.splits, split).shape[1]:,} {split}" for split in SPLITS)
    line = f"{data_file(dataset)}: {len(made.pool.labels):,} rows, {len(made.pool.classes)} classes; each seed {parts}"
    understood = made.pool.understood
    columns = [] if understood is None else understood_lines(understood)
    return "\n".join(filter(None, [line, *columns, too_few_seeds(params.study.seeds)]))
