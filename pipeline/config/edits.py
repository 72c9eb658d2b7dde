"""Edits of a YAML file as text: one value is written in, and every other byte, comments too, stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from pipeline.config.reading import parse_yaml
from pipeline.core.errors import InputError
from pipeline.data.tables.messages import in_yaml

Keys = Sequence[str]


def with_value(text: str, keys: Keys, value: object, path: Path) -> str:
    """The text with a value at a path of keys, where there may be one already.

    A mapping is written a line a key, everything else in one line. Comments inside of what is replaced go with it.

    Args:
        text: of the file.
        keys: all but the last must be there.
        value: what YAML has a word for: texts, numbers, and lists and mappings of them.
        path: what messages call the file.

    Raises:
        InputError: the text is no YAML, a key but the last is missing, or something else would change as well.
    """
    before = parse_yaml(text, path)
    edited = _edited(text, _section(text, keys, path), keys[-1], value)
    if not _holds(edited, replaced(before, keys, _plain(value)), path):
        lines = in_yaml({keys[-1]: value})
        raise InputError(f"{path}: {'.'.join(keys)}: cannot be written in by itself; add this by hand: {lines}")
    return edited


def with_values(text: str, values: Mapping[tuple[str, ...], object], path: Path) -> str:
    """The text with a value at each of these paths of keys; see `with_value`."""
    for keys, value in values.items():
        text = with_value(text, keys, value, path)
    return text


def _holds(text: str, values: Mapping[str, Any], path: Path) -> bool:
    try:
        return parse_yaml(text, path) == values
    except InputError:
        return False


def _section(text: str, keys: Keys, path: Path) -> MappingNode:
    """The mapping that the last key belongs to."""
    node: Node = YAML().compose(text)
    for depth, key in enumerate(keys[:-1]):
        inner = _values(node).get(key)
        if not isinstance(inner, MappingNode):
            raise InputError(f"{path}: {'.'.join(keys[: depth + 1])}: must be a mapping of names")
        node = inner
    assert isinstance(node, MappingNode)
    return node


def _values(node: Node) -> dict[str, Node]:
    return {key.value: value for key, value in node.value} if isinstance(node, MappingNode) else {}


def _edited(text: str, section: MappingNode, key: str, value: object) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    indent = "" if section.flow_style or not section.value else " " * section.value[0][0].start_mark.column
    written = _written(key, value, indent, flow=bool(section.flow_style)).replace("\n", newline)
    for place, content in section.value:
        if place.value == key:
            return text[: place.start_mark.index] + written + text[_end(text, content) :]
    if section.flow_style:
        at, comma = (_end(text, section.value[-1][1]), ", ") if section.value else (section.start_mark.index + 1, "")
        return f"{text[:at]}{comma}{written}{text[at:]}"
    last = _end(text, section.value[-1][1])
    at = text.find("\n", last)
    head, tail = (text, "") if at < 0 else (text[:at].removesuffix("\r"), text[at + 1 :])
    return f"{head}{newline}{indent}{written}{newline}{tail}"


def _written(key: str, value: object, indent: str, *, flow: bool) -> str:
    """A key and its value, as they stand behind the indentation of the key."""
    if not isinstance(value, Mapping) or flow:
        return in_yaml({key: value})
    name = in_yaml({key: ""}).removesuffix(' ""')
    return "\n".join([name, *(f"{indent}  {in_yaml({inner: each})}" for inner, each in value.items())])


def _end(text: str, node: Node) -> int:
    """Where the last character of a value is behind: a block's own end lies behind comments that follow."""
    if isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(node, MappingNode) else last)
    return len(text[: node.end_mark.index].rstrip())


def value_at(values: Mapping[str, Any], keys: Keys) -> Any:
    """The value at a path of keys; None where there is none."""
    value: Any = values
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def replaced(values: Mapping[str, Any], keys: Keys, value: object) -> dict[str, Any]:
    """The values with another one at a path of keys, of which all but the last must be there."""
    first, *others = keys
    return {**values, first: replaced(values[first], others, value) if others else value}


def _plain(value: object) -> object:
    """As YAML gives it back."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
