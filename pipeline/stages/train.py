"""The command `train`: train a variant's points on every seed."""

from __future__ import annotations

from pipeline.config.params import load_params
from pipeline.config.reading import look_up
from pipeline.core.files import keep_only
from pipeline.core.paths import PARAMS, member_file


def train(dataset: str, variant: str, *, jobs: int, backend: str) -> str:
    """Train every point of a variant on every seed, except those that the memo has."""
    from pipeline.stages.members import write_members  # noqa: PLC0415

    params = load_params(PARAMS)
    look_up(dataset, params.datasets, f"{PARAMS}: datasets")
    chosen = look_up(variant, params.variants, f"{PARAMS}: variants")
    seeds = params.study.seeds
    points = {member_file(dataset, variant, label): point for label, point in chosen.pairs}
    trained = write_members(points, seeds, dataset, jobs=jobs, backend=backend)
    folder = member_file(dataset, variant, "").parent
    keep_only(folder, points)
    return f"{folder}: {trained * seeds} networks trained, {(len(points) - trained) * seeds} recalled from the memo"
