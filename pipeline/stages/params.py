"""The command `params`: explain every key of params.yaml and claims.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.params import explain_params
from pipeline.core.paths import (
    CLAIMS,
    PARAMS,
)

if TYPE_CHECKING:
    pass


def params() -> str:
    """Every key of params.yaml and claims.yaml: meaning and default."""
    from pipeline.config.textbook import explain_textbook  # noqa: PLC0415

    return f"{PARAMS}\n\n{explain_params()}\n\n\n{CLAIMS}\n\n{explain_textbook()}"
