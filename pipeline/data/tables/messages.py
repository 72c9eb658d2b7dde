"""Messages about tables: columns that are missing or not unique, values on one line, options as they are typed."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from pipeline.core.errors import InputError

_NAMES_SHOWN = 12
_WORD = re.compile(r"[^\W\d][\w./-]*")
_KEYWORDS = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")


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


def plural(count: int, noun: str, several: str = "") -> str:
    """A number of things: 1 row, 2 rows."""
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"


def in_yaml(option: Mapping[str, object]) -> str:
    """An option as it stands in `params.yaml`."""
    return ", ".join(f"{key}: {_flow(value)}" for key, value in option.items())


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    plain = _WORD.fullmatch(value) and value.casefold() not in _KEYWORDS
    return value if plain else "".join(map(_printable, json.dumps(value, ensure_ascii=False)))


def _printable(character: str) -> str:
    return character if character.isprintable() else f"\\U{ord(character):08x}"
