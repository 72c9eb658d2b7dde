"""The command `params`: explain every key of params.yaml and the textbook's files."""

from __future__ import annotations

from textwrap import fill

from pipeline.config.params import explain_params
from pipeline.core.paths import PARAMS

INDENT = 19  # of a key's explanation


def params() -> str:
    """Every key of params.yaml and the textbook's files: meaning and default, wrapped at the terminal's width."""
    from pipeline.config.textbook import explain_textbook  # noqa: PLC0415
    from pipeline.config.textbook_map import explain_map  # noqa: PLC0415
    from pipeline.reporting.table import screen_width  # noqa: PLC0415

    text, width = f"{PARAMS}\n\n{explain_params()}\n\n\n{explain_textbook()}\n\n{explain_map()}", screen_width()
    return "\n".join(_wrapped(line, width) for line in text.splitlines())


def _wrapped(line: str, width: int) -> str:
    """A key's further lines stand below its explanation."""
    below = " " * (INDENT if line.startswith("  ") else 2)
    return fill(line, width, subsequent_indent=below, break_on_hyphens=False)
