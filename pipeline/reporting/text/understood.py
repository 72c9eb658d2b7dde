"""What a table was understood as, in two lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from pipeline.data.schema import Kind, TableNotes
from pipeline.data.tables.messages import plural

_WIDEST = 32
_WARNINGS = 3
_NAMES = 6
_PLURAL: dict[Kind, str] = {"category": "categories", "yes-no": "yes-no", "text": "texts"}


def understood_lines(notes: TableNotes) -> list[str]:
    """What a table was understood as in a line, and its warnings in another.

    >>> from pipeline.data.schema import ColumnSummary
    >>> column = ColumnSummary(name="age", role="feature", kind="number", missing=0, distinct=9, example="41")
    >>> understood_lines(TableNotes(summaries=(column,)))
    ['columns: 1 number']
    """
    kinds = Counter(each.kind for each in notes.summaries if each.role == "feature")
    counts = [plural(kinds[kind], kind, _PLURAL.get(kind, "")) for kind in get_args(Kind) if kind in kinds]
    ignored = [shown(each.name) for each in notes.summaries if each.role == "ignored"]
    related = [f"{each.role}: {shown(each.name)}" for each in notes.summaries if each.role in ("group", "time")]
    left_out = [f"ignored: {_shortened(ignored)}"] if ignored else []
    warnings = [each.message for each in notes.findings if each.severity == "warning"]
    return [
        f"columns: {'; '.join(filter(None, [', '.join(counts), *related, *left_out]))}",
        *([f"warnings: {'; '.join(_some(warnings))}"] if warnings else []),
    ]


def shown(text: str) -> str:
    """A text of a file as a terminal can show it: on one line, cut off after 32 characters."""
    plain = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return plain if len(plain) <= _WIDEST else f"{plain[: _WIDEST - 3]}..."


def _some(warnings: Sequence[str]) -> list[str]:
    more = [f"... ({len(warnings)} in all)"] if len(warnings) > _WARNINGS else []
    return [*warnings[:_WARNINGS], *more]


def _shortened(names: Sequence[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
