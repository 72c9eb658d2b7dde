"""The command `unlock`: set aside what an interruption has left cut off of DVC's lock files."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.core.paths import LOCKS, RWLOCK


def unlock() -> str:
    """Remove DVC's lock files that it cannot read: its run cache knows all that was finished.

    Raises:
        InputError: none of them is damaged, so that an error of DVC has another cause.
    """
    removed = [path for path in LOCKS if path.exists() and not _is_lock(path)]
    if RWLOCK.exists() and not _is_json(RWLOCK):
        removed.append(RWLOCK)
    for path in removed:
        path.unlink()
    if not removed:
        raise InputError(f"{', '.join(map(str, LOCKS))}: not damaged; see the error above")
    return "\n".join(
        f"{path}: cut off by an interruption; removed, finished stages come from the cache" for path in removed
    )


def _is_lock(path: Path) -> bool:
    """Whether DVC accepts a file as dvc.lock."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA  # noqa: PLC0415
    from ruamel.yaml import YAML  # noqa: PLC0415
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415
    from voluptuous import Invalid  # noqa: PLC0415

    try:
        COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(path.read_bytes()))
    except (YAMLError, ValueError, Invalid):
        return False
    return True


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True
