"""The memo: finished work by fingerprint, below DVC's grain; safe to delete, bounded in size.

Equal work is done once, wherever it is asked for, and an interruption loses nothing that was finished.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from time import time
from typing import TypeVar

from pipeline.core.files import write_bytes
from pipeline.core.paths import MEMO, output

LIMIT = 4 << 30  # bytes; the entries that were not used for longest go first
SHARE = 64  # one part of the limit in so many is written, on average, before the folder is looked through again
DIGEST = 32  # bytes of the checksum that every entry begins with
_KEY = re.compile("[0-9a-f]{64}")
_PART = re.compile(r"\.[0-9a-f]{64}\.\d+\.[0-9a-f]{8}\.part")  # see `files.part_beside`
_STALE = 24 * 3600.0  # seconds after which nobody writes to a part any more
Item = TypeVar("Item")


def recall(key: str) -> bytes | None:
    """What was remembered under a fingerprint; None where nothing was, or where it is damaged."""
    path = _entry(key)
    try:
        content = path.read_bytes()
    except OSError:
        return None
    with suppress(OSError):  # of a memo that can only be read
        os.utime(path)
    checksum, payload = content[:DIGEST], content[DIGEST:]
    if sha256(payload).digest() == checksum:
        return payload
    with suppress(OSError):
        path.unlink()
    return None


def remember(key: str, payload: bytes) -> None:
    """Keep finished work under a fingerprint."""
    write_bytes(_entry(key), sha256(payload).digest() + payload)
    if _is_drawn(key, len(payload), LIMIT):
        _trim(LIMIT)


def obtain(keys: Mapping[Item, str], make: Callable[[Sequence[Item]], Iterable[bytes]]) -> Iterator[tuple[Item, bytes]]:
    """Every item with what is remembered under its fingerprint, or with what is made and then remembered.

    Items of equal fingerprints share one piece of work. What is made is remembered as it comes, so that an interruption
    loses no more than the work in flight.

    Args:
        keys: the fingerprint of each item.
        make: is given one item of each fingerprint that is missing, and yields their contents in this order.
    """
    missing: dict[str, list[Item]] = {}
    for item, key in keys.items():
        content = None if key in missing else recall(key)
        if content is None:
            missing.setdefault(key, []).append(item)
        else:
            yield item, content
    contents = make([items[0] for items in missing.values()]) if missing else ()
    for (key, items), content in zip(missing.items(), contents, strict=True):
        remember(key, content)
        yield from ((item, content) for item in items)


def fill(files: Mapping[Path, str], make: Callable[[Sequence[Path]], Iterable[bytes]]) -> int:
    """Write every file with what `obtain` gives for it; give back how many contents were made.

    Raises:
        ValueError: a file is no output of the project; nothing was made.
    """
    for path in files:
        output(path)
    made: list[Path] = []

    def counted(paths: Sequence[Path]) -> Iterable[bytes]:
        made.extend(paths)
        return make(paths)

    for path, content in obtain(files, counted):
        write_bytes(path, content)
    return len(made)


def _entry(key: str) -> Path:
    """Where a fingerprint's work is.

    Raises:
        ValueError: it is no fingerprint, which could lead elsewhere.
    """
    if not _KEY.fullmatch(key):
        raise ValueError(f"key must be of 64 hexadecimal digits, got {key!r}")
    return output(MEMO / key)


def _is_drawn(key: str, size: int, limit: int) -> bool:
    """Whether to look through the folder after a write, which takes long where there are thousands of small entries.

    Fingerprints are as good as random numbers: a write is drawn with the probability that its size has in a share.
    """
    return int(key[:8], 16) * limit < (size * SHARE) << 32


def _trim(limit: int) -> None:
    """Delete the entries that were not used for longest until the others fit; what has no fingerprint is no entry.

    Parts of entries, which killed processes leave, go after a day.
    """
    there = dict(_files())
    files = {path: status for path, status in there.items() if _KEY.fullmatch(path.name)}
    parts = [path for path, each in there.items() if _PART.fullmatch(path.name) and time() - each.st_mtime > _STALE]
    excess = sum(status.st_size for status in files.values()) - limit
    last: list[Path] = []
    for path in sorted(files, key=lambda path: files[path].st_mtime_ns):
        if excess <= 0:
            break
        last.append(path)
        excess -= files[path].st_size
    for path in (*parts, *last):
        path.unlink(missing_ok=True)


def _files() -> Iterator[tuple[Path, os.stat_result]]:
    """The files in the memo's folder, but for those that are gone meanwhile."""
    for entry in os.scandir(MEMO):
        with suppress(FileNotFoundError):
            if entry.is_file(follow_symlinks=False):
                yield Path(entry.path), entry.stat()
