"""Error messages about tables: columns that are missing or not unique, and values shown on one line."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable

from pipeline.core.errors import InputError

_NAMES_SHOWN = 12


def check_unique(columns: Iterable[str], name: str) -> None:
    """Raise InputError unless all column names differ; `name` is that of the table."""
    for column, count in Counter(columns).items():
        if count > 1:
            raise InputError(f"{name}: column names must differ; {show(column)} occurs {count} times")


def check_known(wanted: str, known: list[str], where: str) -> None:
    """Raise InputError unless a name is one of those known; a similar one is suggested."""
    if wanted in known:
        return
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(wanted.casefold(), folded, n=1)
    hint = f" (did you mean {show(folded[close[0]])}?)" if close else ""
    raise InputError(f"{where} {wanted!r} does not exist{hint}; there are {listed(known)}")


def listed(names: list[str]) -> str:
    """The first twelve names, and how many there are in all."""
    more = f", ... ({len(names)} in all)" if len(names) > _NAMES_SHOWN else ""
    return (", ".join(show(name) for name in names[:_NAMES_SHOWN]) or "none") + more


def show(value: str) -> str:
    """A value in quotes, cut off after 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_line(value: object) -> str:
    """A value as text without line breaks."""
    return " ".join(str(value).split())


def reason(error: Exception) -> str:
    """An exception on one line: its type and message."""
    return one_line(f"{type(error).__name__}: {error}")
