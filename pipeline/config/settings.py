"""Settings of regularizers: a number, a switch or a word; whether one is on, and how it is written."""

from __future__ import annotations

from typing import Final

Setting = bool | float | str
OFF: Final = (0, "none")
"""What is off: exactly 0 (and so false), or the word."""


def is_on(setting: Setting) -> bool:
    """Whether a regularizer does anything at this setting.

    >>> [is_on(setting) for setting in (0.5, 0.0, True, False, "nll", "none")]
    [True, False, True, False, True, False]
    """
    return setting not in OFF


def word(value: object) -> str:
    """A value of a point as params.yaml has it, on one line; widths are joined.

    >>> word(False), word(0.0010), word("nll"), word((8, 4))
    ('false', '0.001', 'nll', '8x4')
    """
    if isinstance(value, tuple):
        return "x".join(str(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if isinstance(value, float) else str(value)
