"""Flags of a command line for the fields of a model: `ignore: [id]` of params.yaml is `--ignore id`."""

from __future__ import annotations

import shlex
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

_PARSERS: tuple[Callable[[str], object], ...] = (int, float, str)


def add_flags(parser: ArgumentParser, model: type[BaseModel], *, omit: Collection[str] = ()) -> None:
    """Let a command take the fields of a model; those that are not given are left out of what it parses.

    A list is a flag that may be repeated, a mapping one that is given as NAME=VALUE and may be repeated.

    Args:
        parser: the command's.
        model: whose fields.
        omit: fields to leave out.
    """
    group = parser.add_argument_group("what the file means, where it is not understood by itself")
    for name, field in model.model_fields.items():
        if name in omit:
            continue
        text = (field.description or "").replace("%", "%%")
        kinds = {get_origin(each) for each in _alternatives(field.annotation)}
        flag: dict[str, Any] = {"help": text, "default": SUPPRESS, "metavar": "VALUE", "type": partial(_value, field)}
        if tuple in kinds:
            flag |= {"action": "append", "type": str, "metavar": "NAME", "help": f"{text} May be repeated."}
        elif dict in kinds:
            flag |= {"action": "append", "type": _pair, "metavar": "NAME=VALUE", "help": f"{text} May be repeated."}
        elif Literal in kinds:
            choices = [each for kind in _alternatives(field.annotation) for each in get_args(kind)]
            flag |= {"choices": choices, "type": str, "metavar": "|".join(choices)}
        group.add_argument(f"--{name.replace('_', '-')}", **flag)


def given_by(flags: Mapping[str, object]) -> dict[str, object]:
    """What parsed flags say, as `params.yaml` would have it."""
    return {name: dict(value) if _is_pairs(value) else value for name, value in flags.items()}  # type: ignore[call-overload]


def as_flags(option: Mapping[str, object]) -> str:
    """An option of params.yaml as flags that a shell understands.

    >>> as_flags({"ignore": ["id", "row name"], "missing": "impute"})
    "--ignore id --ignore 'row name' --missing impute"
    """
    return " ".join(f"--{name.replace('_', '-')}{value}" for name, each in option.items() for value in _words(each))


def _words(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from (f" {shlex.quote(f'{key}={each}')}" for key, each in value.items())
    elif isinstance(value, list | tuple):
        yield from (_word(str(each)) for each in value)
    else:
        yield _word(str(value))


def _word(text: str) -> str:
    """A value behind its flag; one that begins with a dash would be taken for a flag."""
    return f"={shlex.quote(text)}" if text.startswith("-") else f" {shlex.quote(text)}"


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The types that a field may have; `None` is not given."""
    if get_origin(annotation) in (Union, UnionType):
        return tuple(each for each in get_args(annotation) if each is not type(None))
    return (annotation,)


def _value(field: FieldInfo, text: str) -> object:
    """The number or text that a field accepts."""
    accepted: Any = Annotated[field.annotation, *field.metadata]
    adapter: TypeAdapter[object] = TypeAdapter(accepted)
    reason = ""
    for parse in _PARSERS:
        try:
            return adapter.validate_python(parse(text), strict=True)
        except ValidationError as error:
            reason = reason or error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        except ValueError:
            continue
    raise ArgumentTypeError(f"{reason[:1].lower()}{reason[1:]}, got {text!r}")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=")
    if not equals:
        raise ArgumentTypeError(f"must be NAME=VALUE, got {text!r}")
    return name, value


def _is_pairs(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, tuple) for each in value)
