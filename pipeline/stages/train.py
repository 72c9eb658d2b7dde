"""The command `train`: train the points of a data set on every seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.config.params import load_params
from pipeline.config.reading import look_up
from pipeline.core.files import keep_only
from pipeline.core.paths import PARAMS, member_file, tuning_file
from pipeline.stages.devices import require_devices


def train(dataset: str, variants: Sequence[str], *, jobs: int) -> str:
    """Tune every point and train it on every seed, except what the memo has; of these variants, or of all."""
    from pipeline.results.record import write_record  # noqa: PLC0415
    from pipeline.results.tuning import VariantTuning  # noqa: PLC0415
    from pipeline.stages.members import write_members  # noqa: PLC0415
    from pipeline.stages.tuning import chosen, tune  # noqa: PLC0415

    params = load_params(PARAMS)
    look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    wanted = [look_up(name, params.variants, f"{PARAMS}: variants") for name in variants or params.variants]
    candidates = {(variant.name, label): points for variant in wanted for label, points in variant.pairs}
    require_devices(point for points in candidates.values() for point in points)
    tuning = tune(candidates, dataset, params, jobs=jobs)
    points = {member_file(dataset, *place): chosen(candidates[place], tuning[place]) for place in candidates}
    trained = write_members(points, params.study.seeds, dataset, jobs=jobs)
    tables = [tuning_file(dataset, variant.name) for variant in wanted]
    for variant, table in zip(wanted, tables, strict=True):
        write_record(table, VariantTuning(points={label: tuning[variant.name, label] for label in variant.labels}))
    folder = Path("members") / dataset
    if not variants:
        keep_only(folder, [*points, *tables])
    seeds = params.study.seeds
    return f"{folder}: {trained * seeds} networks trained, {(len(points) - trained) * seeds} recalled from the memo"
