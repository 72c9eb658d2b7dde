"""Texts of YAML that have been parsed: hundreds of tests read params.yaml, which takes 20 ms each time."""

from collections.abc import Callable
from copy import deepcopy
from functools import lru_cache, wraps
from typing import Any

from ruamel.yaml import YAML


def remembering(load: Callable[[YAML, Any], Any]) -> Callable[[YAML, Any], Any]:
    """`YAML.load` that parses the same text once, and gives a copy of its plain values to everyone who asks."""

    @lru_cache(maxsize=64)
    def parsed(text: str, *, pure: bool) -> Any:
        return load(YAML(typ="safe", pure=pure), text)

    @wraps(load)
    def copied(yaml: YAML, stream: Any) -> Any:
        if yaml.typ != ["safe"] or not isinstance(stream, str):
            return load(yaml, stream)
        return deepcopy(parsed(stream, pure=yaml.pure))

    return copied
