"""The terminal: progress for a person, nothing where the output goes to a file; output in whatever encoding it has."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from pipeline.core.durations import duration

SPELLED = {
    **{"★": "*", "†": "+", "‡": "#"},
    **{"−": "-", "×": "x", "ε": "e", "µ": "u", "∅": "0", "▲": "^", "▼": "v", "✓": "+", "✗": "x"},
    **{"–": "-", "—": "-", "“": '"', "”": '"', "’": "'", "±": "+-", "→": "->", "←": "<-"},
}
SPELLING = "pipeline.spelled"
ENOUGH, LONG = 3.0, 20.0  # seconds: to tell the speed by, and that are worth telling


def print_anything() -> None:
    """Let stdout and stderr spell what their encoding lacks in ASCII, or as a question mark, instead of failing."""
    codecs.register_error(SPELLING, _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors=SPELLING)


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_ascii, error.object[error.start : error.end])), error.end


def _ascii(character: str) -> str:
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
    return SPELLED.get(character) or plain or "?"


@contextmanager
def progress(what: str | Callable[[], str], total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar with counts and time left on stderr; yields a function that is told how much was done.

    What is shown beside the bar may be a function, which is asked again whenever something was done. Where nobody
    looks at a terminal, one line says how long it will take, as soon as that is known, if it is long.
    """
    text = what if callable(what) else lambda: what
    if not sys.stderr.isatty():
        yield _length(text, total, unit)
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text(), total=total)
        yield lambda done: bar.update(task, advance=done, description=text())


def _length(text: Callable[[], str], total: int, unit: str) -> Callable[[int], None]:
    """What is told how much was done, and says once how long the rest takes, at the speed of some seconds' work."""
    count, told = 0, False
    begun: tuple[float, int] | None = None  # behind imports and first calls, which take their time

    def tick(done: int) -> None:
        nonlocal begun, count, told
        now, count = monotonic(), count + done
        if begun is None:
            begun = (now, count) if count else None
        elif not told and now - begun[0] >= ENOUGH and count > begun[1]:
            told, left = True, (now - begun[0]) * (total - count) / (count - begun[1])
            if left > LONG:
                print(f"{text()}, {total:,} {unit}: about {duration(left)} to go", file=sys.stderr, flush=True)

    return tick
