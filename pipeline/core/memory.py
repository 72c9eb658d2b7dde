"""Memory: how much there is, asked before work that needs more begins."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from pipeline.core.errors import InputError

_GROUP = Path("/sys/fs/cgroup/memory.max")  # what a container may have, on Linux
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
_STEP = 1000


def require_memory(need: int, what: str, where: str) -> None:
    """Raise InputError unless there is so much memory on this machine, used or not.

    Args:
        need: bytes, about.
        what: needs them.
        where: what messages call the place that asks for it.
    """
    if need > (most := memory()):
        raise InputError(f"{where}: {what} would need about {in_words(need)} of memory; there are {in_words(most)}")


def memory() -> int:
    """Bytes of memory that this process may have at most."""
    limits = [sys.maxsize]
    with suppress(AttributeError, ValueError, OSError):  # a system that does not say
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(ValueError, OSError):  # no container, or "max"
        limits.append(int(_GROUP.read_text()))
    return min(limits)


def in_words(count: int) -> str:
    """A number of bytes, to two digits.

    >>> in_words(999), in_words(16_400_000_000), in_words(10**30)
    ('999 bytes', '16 GB', '1e+15 PB')
    """
    power = min(len(_UNITS) - 1, (len(str(count)) - 1) // 3)
    return f"{float(f'{count / _STEP**power:.2g}'):g} {_UNITS[power]}" if power else f"{count} {_UNITS[0]}"
