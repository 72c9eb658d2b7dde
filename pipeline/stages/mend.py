"""The command `mend`: what an interruption has left of DVC's own files."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.core.files import write_bytes
from pipeline.core.paths import (
    LOCK,
)

RWLOCK = Path(".dvc/tmp/rwlock")


def mend() -> str:
    """Undo what an interruption left half-written by DVC, in dvc.lock and in its lock of paths, and say so."""
    return "\n".join(filter(None, (_mend_paths(), _mend_lock())))


def _mend_paths() -> str:
    """Remove DVC's list of who reads and writes what, where it is cut off: it is none that anybody holds."""
    try:
        json.loads(RWLOCK.read_bytes())
    except FileNotFoundError:
        return ""
    except ValueError:
        RWLOCK.unlink()
        return f"{RWLOCK}: an interruption had cut it off; removed"
    return ""


def _mend_lock() -> str:
    """Leave in dvc.lock only what an interruption has not cut off; nothing is done where it is whole."""
    from pipeline.core import lockfile  # noqa: PLC0415

    if not LOCK.exists():
        return ""
    written = LOCK.read_text(encoding="utf-8", errors="surrogateescape")  # a cut inside a character is like any other
    kept = lockfile.whole(written)
    if not kept:
        LOCK.unlink()
    elif kept == written:
        return ""
    else:
        write_bytes(LOCK, kept.encode())
    return f"{LOCK}: an interruption had cut it off; stages kept: {len(lockfile.stages(kept))}, the others run again"
