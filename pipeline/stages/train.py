"""The command `train`: fit a variant's points on every seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.params import load_params
from pipeline.config.points import Variant
from pipeline.config.reading import look_up
from pipeline.core.files import (
    keep_only,
)
from pipeline.core.paths import (
    PARAMS,
    member_file,
)

if TYPE_CHECKING:
    pass


def train(dataset: str, variant: str, *, jobs: int, backend: str) -> str:
    """Fit every point of a variant on every seed, except the points whose finished file still holds."""
    from pipeline.stages.fitting import fit_files  # noqa: PLC0415

    params = load_params(PARAMS)
    variant_: Variant = look_up(variant, params.variants, f"{PARAMS}: variants")
    seeds = params.study.seeds
    points = {member_file(dataset, variant, label): point for label, point in variant_.pairs}
    fitted = fit_files(points, seeds, dataset, jobs=jobs, backend=backend)
    folder = member_file(dataset, variant, "").parent
    keep_only(folder, points)
    return f"{folder}: {fitted * seeds} members trained, {(len(points) - fitted) * seeds} kept"
