"""Changes of params.yaml by a command: shown, agreed to, and written unless someone else has changed the same."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence

from pipeline.config.edits import value_at, with_values
from pipeline.config.params import params_of
from pipeline.config.reading import parse_yaml, read_text
from pipeline.core.errors import InputError
from pipeline.core.files import locked, write_bytes
from pipeline.core.paths import PARAMS, PARAMS_LOCK

_WIDTH = 118  # of a line that is shown; the names of many columns are longer

Values = Mapping[tuple[str, ...], object]
"""By their paths of keys."""


def say_changes(text: str, values: Values) -> bool:
    """Print what would be changed in the text of params.yaml; whether there is anything."""
    changed = list(_changed(text.splitlines(), _edited(text, values).splitlines()))
    if changed:
        print("\n".join(["", f"{PARAMS}:", *(f"  {_cut(line)}" for line in changed)]))
    return bool(changed)


def agreed(*, yes: bool) -> bool:
    """Whether the user wants it written.

    Raises:
        InputError: nobody can be asked.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise InputError("nothing was written, for there is no terminal to ask at; --yes writes it, --dry-run looks")
    try:
        return input("Write this? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def write_changes(values: Values, shown: str) -> None:
    """Write the values into params.yaml, after whoever else is about to.

    Args:
        values: what is to stand there.
        shown: the text that they were shown as changes of.

    Raises:
        InputError: what was shown is no longer what would be written.
    """
    with locked(PARAMS_LOCK):
        text = read_text(PARAMS)
        now, then = parse_yaml(text, PARAMS), parse_yaml(shown, PARAMS)
        if keys := next((keys for keys in values if value_at(now, keys) != value_at(then, keys)), None):
            raise InputError(f"{PARAMS}: {'.'.join(keys)} has changed meanwhile; run the command again")
        write_bytes(PARAMS, _edited(text, values).encode())


def _edited(text: str, values: Values) -> str:
    edited = with_values(text, values, PARAMS)
    params_of(parse_yaml(edited, PARAMS), PARAMS)
    return edited


def _changed(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Lines that differ, below the name of the section that they are of."""
    named = section = ""
    for _, start, end, at, until in difflib.SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes():
        if before[start:end] == after[at:until]:
            section = next((line for line in reversed(after[at:until]) if line[:1].isalpha()), section)
            continue
        if section != named:
            yield f" {section}"
        named = section
        yield from (f"-{line}" for line in before[start:end])
        yield from (f"+{line}" for line in after[at:until])


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 4]} ..."
