"""The command `train`: train a variant's points on every seed."""

from __future__ import annotations

from pipeline.config.params import load_params
from pipeline.config.reading import look_up
from pipeline.core.files import keep_only
from pipeline.core.paths import PARAMS, member_file, tuning_file
from pipeline.stages.devices import require_devices


def train(dataset: str, variant: str, *, jobs: int) -> str:
    """Tune every point of a variant and train it on every seed, except what the memo has."""
    from pipeline.results.record import write_record  # noqa: PLC0415
    from pipeline.results.tuning import VariantTuning  # noqa: PLC0415
    from pipeline.stages.members import write_members  # noqa: PLC0415
    from pipeline.stages.tuning import chosen, tune  # noqa: PLC0415

    params = load_params(PARAMS)
    look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    wanted = look_up(variant, params.variants, f"{PARAMS}: variants")
    seeds = params.study.seeds
    candidates = dict(wanted.pairs)
    require_devices(point for points in candidates.values() for point in points)
    tuning = tune(candidates, dataset, params, jobs=jobs)
    points = {member_file(dataset, variant, label): chosen(candidates[label], tuning[label]) for label in candidates}
    trained = write_members(points, seeds, dataset, jobs=jobs)
    table = tuning_file(dataset, variant)
    write_record(table, VariantTuning(points=tuning))
    folder = table.parent
    keep_only(folder, [*points, table])
    return f"{folder}: {trained * seeds} networks trained, {(len(points) - trained) * seeds} recalled from the memo"
