"""From a YAML file to checked models; a mistake is one line: file, key path, requirement, value received."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from math import log10
from pathlib import Path
from stat import S_ISREG
from types import MappingProxyType
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pipeline.config.fields import NAMING, is_name
from pipeline.core.errors import InputError
from pipeline.core.memory import in_words

_KINDS = {("datasets",): 2, ("search", "space"): 3}  # where pydantic puts the kind, between a name and its keys

_MOST_NAMED = 60
LONGEST = 300_000
"""Bytes of a file of parameters."""
MOST_VALUES = 100_000
LARGEST_INTEGER = 2**63 - 1

Model = TypeVar("Model", bound=BaseModel)
Named = TypeVar("Named")


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file, of plain values.

    Raises:
        InputError: the file cannot be read, is not valid YAML, or holds something else than a mapping.
    """
    return parse_yaml(read_text(path), path)


def read_text(path: Path) -> str:
    """A user's file of UTF-8 text, line ends as they are.

    Raises:
        InputError: the file cannot be read, or is no UTF-8.
    """
    try:
        check_size(path)
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 text, byte {error.start} is not") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def check_size(path: Path) -> None:
    """Raise InputError where something else than a file is, or one that is too long for a file of parameters."""
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise InputError(f"{path}: cannot be read: it is no file")
    if status.st_size > LONGEST:
        raise InputError(f"{path}: must be at most {in_words(LONGEST)}, got {in_words(status.st_size)}")


def parse_yaml(text: str, path: Path) -> dict[str, Any]:
    """The mapping in a text of YAML 1.2, of plain values; `path` is what messages call it.

    Raises:
        InputError: the text is not valid YAML, or holds something else than a mapping.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415  (YAML 1.2, as DVC reads it: 1e-3 is a number, off is a word)
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        values = YAML(typ="safe", pure=True).load(text)
    except RecursionError:
        raise InputError(f"{path}: not valid YAML: nested too deeply") from None
    except (YAMLError, Exception) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: must be a mapping of keys to values, got {printable(values):.80}")
    _check_values(values, path)
    return values


def _check_values(values: dict[str, Any], path: Path) -> None:
    """Raise InputError where aliases make more of a file than can be checked, or a number is too long."""
    todo: list[object] = [values]
    count = 0
    while todo:
        value = todo.pop()
        inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
        todo += inner
        if (count := count + len(inner)) > MOST_VALUES:
            raise InputError(f"{path}: must hold at most {MOST_VALUES:,} values, aliases spelt out")
        if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
            raise InputError(f"{path}: integers must be at most 2**63 - 1, got one of {_digits(value)} digits")


def _digits(value: int) -> str:
    return f"about {round(value.bit_length() * log10(2)):,}"


def look_up(name: str, names: Mapping[str, Named], where: str) -> Named:
    """What a name that the user gave stands for.

    Raises:
        InputError: there is no such name.
    """
    if name not in names:
        raise InputError(f"{where}: must be one of {_named(name, names)}, got {name!r}")
    return names[name]


def _named(name: str, names: Collection[str]) -> str:
    """All names, or of very many those that are most like one."""
    if len(names) <= _MOST_NAMED:
        return ", ".join(names)
    return f"{len(names)}, such as {', '.join(get_close_matches(name[:_MOST_NAMED], names, cutoff=0.0))}"


def check_names(section: Collection[object], path: Path, where: str) -> None:
    """Raise InputError unless every key of a section is a name that may become a path."""
    for key in section:
        if not is_name(key):
            raise InputError(f"{path}: {where}: {NAMING}, got {key!r}")


def validate(model: type[Model], raw: Any, path: Path, where: str) -> Model:
    """A section of a file, checked.

    Raises:
        InputError: a key is unknown, missing, of the wrong type or out of range.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error, where)}") from None


def _explain(error: ValidationError, where: str) -> str:
    """The first thing that is wrong, as one line: key path, requirement, value received."""
    mistakes = error.errors(include_url=False)
    first = next((mistake for mistake in mistakes if mistake["type"] == "extra_forbidden"), mistakes[0])
    loc = [printable(part) for part in first["loc"]]
    if loc[-1:] == ["[key]"] and first["type"] == "value_error":
        del loc[-2:]  # a name: its section is the place, and it is what was received
    for section, depth in _KINDS.items():
        if tuple(loc[: len(section)]) == section:
            del loc[depth : depth + 1]
    place = ".".join([where, *loc] if where else loc)
    message = first["msg"].removeprefix("Value error, ").replace("Input should", "should")
    if first["type"] == "union_tag_invalid":
        known = first["ctx"]["expected_tags"].replace("'", "")
        return f"{place}.kind: must be one of {known}, got {first['ctx']['tag']!r}"
    if first["type"] == "union_tag_not_found":
        return f"{place}.kind: this key is missing"
    if first["type"] == "missing":
        return f"{place}: this key is missing"
    if first["type"] == "extra_forbidden":
        return f"{place}: unknown key (its value is {first['input']!r})"
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    got = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
    return f"{place}: {message}{got}{more}"


def printable(part: object) -> str:
    """A part of a key path on one line, whatever characters it has."""
    return repr(part)[1:-1] if isinstance(part, str) else str(part)


def explained(
    title: str,
    model: type[BaseModel],
    *,
    omit: Collection[str] = (),
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """A section and its keys, a line each: what they mean, and what they are where they are not given.

    Args:
        title: where the section stands in its file.
        model: the section.
        omit: keys to leave out.
        elsewhere: for keys that must be given, the section that gives them where this one does not.
    """
    return "\n".join([f"{title}: {model.__doc__}", *_keys(model, omit, elsewhere)])


def _keys(model: type[BaseModel], omit: Collection[str], elsewhere: Mapping[str, str]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name not in omit:
            given = _default(field) if not field.is_required() else "required"
            if name in elsewhere and field.is_required():
                given = f"as in {elsewhere[name]}"
            one_of = f" One of {', '.join(get_args(field.annotation))}." if _is_choice(field) else ""
            yield f"  {field.alias or name:<16} {field.description}{one_of} ({given})"


def _is_choice(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is Literal


def _default(field: FieldInfo) -> str:
    """What a key is that is not given, as YAML has it."""
    value = field.get_default(call_default_factory=True, validated_data={})
    nothing = value in ("", None) or (isinstance(value, tuple | dict) and not any(value))
    return f"default {'none' if nothing else str(value).lower() if isinstance(value, bool) else value}"
