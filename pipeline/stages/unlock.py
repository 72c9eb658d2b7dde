"""The command `unlock`: set aside what an interruption has left cut off of DVC's lock files."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.core.paths import LOCKS, RWLOCK


def unlock() -> str:
    """Set DVC's lock files aside that it cannot read: its run cache knows all that was finished.

    Raises:
        InputError: none of them is damaged, so that an error of DVC has another cause.
    """
    damaged = [path for path in LOCKS if path.is_file() and not _is_lock(path)]
    if RWLOCK.is_file() and not _is_json(RWLOCK):
        damaged.append(RWLOCK)
    if not damaged:
        raise InputError(f"{', '.join(map(str, LOCKS))}: not damaged; see the error above")
    return "\n".join(
        f"{path}: cut off by an interruption; now {_set_aside(path)}, finished stages come from the cache"
        for path in damaged
    )


def _set_aside(path: Path) -> Path:
    """Give a file another name that nothing has yet, which is given back: it may hold work of a person's."""
    names = (path.with_name(f"{path.name}.damaged{number or ''}") for number in count())
    aside = next(name for name in names if not name.exists() and not name.is_symlink())
    return path.rename(aside)


def _is_lock(path: Path) -> bool:
    """Whether DVC accepts a file as dvc.lock."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA  # noqa: PLC0415
    from ruamel.yaml import YAML  # noqa: PLC0415
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415
    from voluptuous import Invalid  # noqa: PLC0415

    try:
        COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(path.read_bytes()))
    except (YAMLError, ValueError, RecursionError, Invalid):
        return False
    return True


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return True
