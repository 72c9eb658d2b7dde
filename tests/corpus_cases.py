"""The corpus of bad input in `tests/corpus/bad`: a file for each reader, its cases, and the line that each ends in.

A file names the `command` that reads, and good `files`, of which the first is meant unless a case names another. A case
sets values in it, by keys with `>` between them (what is set is YAML as a person might write it; `~delete` takes a key
away), or replaces all of it by a `text`, or by bytes in `hex`; and says what the `line` must hold. `{9*400}` stands for
400 nines.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parent / "corpus/bad"
_REPEATED = re.compile(r"\{([^{}]+)\*(\d+)\}")
_DELETE = "~delete"


@dataclass(frozen=True)
class Case:
    """One piece of bad input.

    Attributes:
        reader: the file of the corpus that has it.
        name: what is wrong.
        command: what is run.
        files: every file of the project and its content.
        line: what stderr must hold.
    """

    reader: str
    name: str
    command: list[str]
    files: dict[str, bytes]
    line: str


def cases() -> list[Case]:
    """All of them."""
    return [case for path in sorted(FOLDER.glob("*.yaml")) for case in _of(path)]


def base(reader: str) -> tuple[list[str], dict[str, bytes]]:
    """The command of a reader, and its good files."""
    raw = _load(FOLDER / f"{reader}.yaml")
    return raw["command"], {name: _bytes(content) for name, content in raw["files"].items()}


def _of(path: Path) -> list[Case]:
    raw = _load(path)
    made = []
    for name, case in raw["cases"].items():
        target = case.get("file", next(iter(raw["files"])))
        files = {each: _bytes(content) for each, content in raw["files"].items()}
        if "text" in case:
            files[target] = _expanded(case["text"]).encode("utf-8", "surrogateescape")
        elif "hex" in case:
            files[target] = bytes.fromhex(_expanded(case["hex"]))
        elif "set" in case:
            files[target] = _set(raw["files"][target], case["set"])
        command = [_expanded(word) for word in case.get("command", raw["command"])]
        made.append(Case(path.stem, name, command, files, _expanded(case["line"])))
    return made


def _load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(path)
    return loaded


def _bytes(content: object) -> bytes:
    return _expanded(content).encode() if isinstance(content, str) else json.dumps(content).encode()


def _set(content: dict[str, Any], edits: dict[str, str]) -> bytes:
    """The content as JSON, which is YAML, with edits as they are written."""
    content = deepcopy(content)
    written = {}
    for number, (keys, value) in enumerate(edits.items()):
        *outer, last = (_expanded(key) for key in keys.split(" > "))
        section: Any = content
        for key in outer:
            section = section[int(key) if isinstance(section, list) else key]
        place = int(last) if isinstance(section, list) else last
        if value == _DELETE:
            del section[place]
            continue
        section[place] = f"@{number}@"
        written[f'"@{number}@"'] = _expanded(value)
    text = json.dumps(content)
    for mark, value in written.items():
        text = text.replace(mark, value)
    return text.encode()


def _expanded(text: str) -> str:
    return _REPEATED.sub(lambda found: found[1] * int(found[2]), text)
