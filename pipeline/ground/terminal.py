"""Progress for a person at a terminal; nothing where the output goes to a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str | Callable[[], str], total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar with counts and time left on stderr; yields a function that is told how much was done.

    What is shown beside the bar may be a function, which is asked again whenever something was done.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    text = what if callable(what) else lambda: what
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text(), total=total)
        yield lambda done: bar.update(task, advance=done, description=text())
