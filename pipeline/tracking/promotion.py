"""Promotion of a model: which version of it is the champion, by what the new and the old one say of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64

from pipeline.statistics.intervals import Interval, mean_interval
from pipeline.tracking.plan import StoredVersion

if TYPE_CHECKING:
    from pipeline.champion.storage import Model

MODEL, DATA, REASON, AGAINST = "dvc.md5.model", "dvc.md5.data", "champion.reason", "champion.against"
"""Tags of a version: hashes of its file and its data; why it became the champion or did not, and instead of which."""
FORCE = "`python -m pipeline track --force-champion` moves it"


@dataclass(frozen=True)
class Decision:
    """Whether the alias moves to a new version, and why, in words."""

    moves: bool
    why: str


def champion_of(versions: Sequence[StoredVersion]) -> StoredVersion | None:
    """The version that has the alias."""
    return next((each for each in versions if each.is_champion), None)


def compared(
    new: Model, old: Model, features: Float32[np.ndarray, "rows features"], labels: Int64[np.ndarray, " rows"]
) -> Decision:
    """Whether a new model is better than an old one: Student's interval of the paired differences lies below 0.

    Args:
        new: the model whose schema made the features.
        old: what it is compared with.
        features: of test rows.
        labels: of the same rows.
    """
    from pipeline.champion.model import row_losses  # noqa: PLC0415

    if old.classes != new.classes:
        return Decision(False, "the old one knows other classes")
    if old.schema.columns != new.schema.columns:
        return Decision(False, "the old one reads other columns, or reads them otherwise")
    losses = [row_losses(each.champion.probabilities(features), labels) for each in (new, old)]
    change = mean_interval(losses[0] - losses[1])
    said = f"test NLL changes by {_text(change)} on {len(labels):,} test rows"
    return Decision(bool(change.high < 0), said if change.high < 0 else f"{said}, which is not better")


def _text(change: Interval) -> str:
    return f"{change.mean:+.4f} [{change.low:+.4f}, {change.high:+.4f}]"
