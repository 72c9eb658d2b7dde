"""Parallel engines: who does a command's work, as `PIPELINE_PARALLEL` or `--backend` says; they change no bit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from pipeline.core.errors import InputError

VARIABLE = "PIPELINE_PARALLEL"
WORDS = "auto, threads, loky, loky:4, dask:tcp://host:8786, ray://host:10001 or ray"
_PATTERN = re.compile(
    r"(?P<kind>auto|threads|loky)(:(?P<workers>[1-9]\d*))?|dask:(?P<dask>\w+://.+)|(?P<ray>ray(://.+)?)"
)

Kind = Literal["auto", "threads", "loky", "dask", "ray"]


@dataclass(frozen=True)
class Engine:
    """What was chosen: `address` of a cluster, "" for a Ray of our own; `workers` of this machine, None for --jobs."""

    kind: Kind
    address: str = ""
    workers: int | None = None


def parse(words: str, name: str = VARIABLE) -> Engine:
    """The engine that words choose.

    Raises:
        InputError: they are not of those that `WORDS` lists.

    >>> parse("dask:tcp://10.0.0.7:8786")
    Engine(kind='dask', address='tcp://10.0.0.7:8786', workers=None)
    """
    match = _PATTERN.fullmatch(words)
    if match is None:
        raise InputError(f"{name}: must be {WORDS}, got {words!r}")
    if address := match["dask"]:
        return Engine("dask", address)
    if match["ray"]:
        return Engine("ray", "" if words == "ray" else words)
    workers = int(match["workers"]) if match["workers"] else None
    return Engine(cast("Kind", match["kind"]), workers=workers)
