"""The command `params`: explain every key of params.yaml and the textbook's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.params import explain_params
from pipeline.core.paths import (
    PARAMS,
)

if TYPE_CHECKING:
    pass


def params() -> str:
    """Every key of params.yaml and the textbook's files: meaning and default."""
    from pipeline.config.textbook import explain_textbook  # noqa: PLC0415

    return f"{PARAMS}\n\n{explain_params()}\n\n\n{explain_textbook()}"
