"""Mutations of what readers read, and a fuzzer that goes on from those that a reader answers in a new way."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from pipeline.core.errors import LONGEST, InputError

HOSTILE: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        3,
        0.5,
        1e300,
        -1e300,
        1e-300,
        float("nan"),
        float("inf"),
        10**18,
        10**400,
        2**63,
    ),
    *("", "x", "../x", "/etc/passwd", "a\0b", "a\nb", "\x1b[2J", "\ud800", "nan", "1", "$x$", "x" * 300, "x" * 100_000),
    *([], {}, [[]], [None], {"x": 1}, {"": None}, [1, "a"], {"../x": {}}, [0.5, 0.5], [1e300], [[8], [8]], b"x"),
]
_MOST = 1e9
TOKENS = [
    *(
        b"",
        b"\0",
        b"\xff",
        b'"',
        b",",
        b";",
        b"\n",
        b"\r\n",
        b"\t",
        b" ",
        b"'",
        b"[",
        b"{",
        b"}",
        b"&a ",
        b"*a",
        b"!!int ",
    ),
    *(b"nan", b"inf", b"1e999", b"9" * 400, b"9" * 5000, b"-", b"../", b"\xef\xbb\xbf", b"\xff\xfe", b"%", b"$", b"#"),
    *(b"2020-13-45", b"1,234.5", b"null", b"true", b"0" * 50, b"\xe2\x88\x92", b"\x1b[2J", b"x" * 500, b"sep=;\n"),
]


def of_values(value: Any, rng: random.Random) -> Any:
    """Another structure of plain values: up to three places of it are replaced, deleted, renamed, moved or repeated."""
    value = deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            return rng.choice(HOSTILE)
        holder, key = rng.choice(places)
        match rng.randrange(6):
            case 0 | 1:
                holder[key] = deepcopy(rng.choice(HOSTILE))
            case 2:
                del holder[key]
            case 3:
                other, place = rng.choice(places)
                holder[key] = deepcopy(other.get(place) if isinstance(other, dict) else _at(other, place))
            case 4 if isinstance(holder, dict):
                holder[rng.choice((*filter(_is_key, HOSTILE), "dropout", "none"))] = holder.pop(key)
            case _ if isinstance(holder[key], int | float) and abs(holder[key]) < _MOST:
                holder[key] = rng.choice((-1, 2, 0.5, 10, 1e6)) * holder[key]
            case _:
                holder[key] = [holder[key], deepcopy(holder[key])]
    return value


def _is_key(value: Any) -> bool:
    return isinstance(value, str | int | float | None)


def _at(values: list[Any], place: int) -> Any:
    return values[place] if place < len(values) else None


def _places(value: Any) -> Any:
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def of_bytes(content: bytes, rng: random.Random) -> bytes:
    """Other bytes: one to four times something is inserted, deleted, overwritten, repeated, or cut off."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice((0, 1, 2, 8, 64)))
        match rng.randrange(5):
            case 0:
                content = content[:start] + rng.choice(TOKENS) + content[end:]
            case 1:
                content = content[:start] + content[end:]
            case 2:
                content = content[:start] + rng.randbytes(end - start) + content[end:]
            case 3:
                content = content[:start] + content[start:end] * rng.choice((2, 9)) + content[end:]
            case _:
                content = (
                    content[:start] if rng.random() < 0.2 else content[:start] + bytes(end - start) + content[end:]
                )
    return content


def of_json(content: bytes, rng: random.Random) -> bytes:
    """Other JSON, half of the time of another shape; else bytes as they come."""
    if rng.random() < 0.3:
        return of_bytes(content, rng)
    try:
        return json.dumps(of_values(json.loads(content), rng), default=str).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return of_bytes(content, rng)


def fuzzed(
    read: Callable[[Any], object],
    mutate: Callable[[Any, random.Random], Any],
    seeds: list[Any],
    *,
    rounds: int,
    seed: int = 0,
) -> dict[str, Any]:
    """What a reader neither takes nor refuses as it should, by what happened instead.

    Inputs that are answered in a new way, by the message without names and numbers, are mutated further.
    """
    rng, pool, seen, wrong = random.Random(seed), list(seeds), set[str](), dict[str, Any]()
    for _ in range(rounds):
        mutated = mutate(rng.choice(pool), rng)
        answer, fault = _answer(read, mutated)
        if fault:
            wrong.setdefault(answer, mutated)
        elif answer not in seen and len(str(mutated)) < 50_000:
            seen.add(answer)
            pool.append(mutated)
    return wrong


def _answer(read: Callable[[Any], object], mutated: Any) -> tuple[str, bool]:
    try:
        read(mutated)
    except InputError as error:
        line = str(error)
        if len(line) > LONGEST or not line.isprintable():
            return f"message: {line[:300]!r}", True
        return re.sub(r"'.*?'|\d+", "", line)[:120], False
    except Exception as error:
        frame = error.__traceback__
        place = ""
        while frame is not None:
            name = frame.tb_frame.f_code.co_filename
            if "/pipeline/" in name:
                place = f"{name.split('/pipeline/')[-1]}:{frame.tb_lineno}"
            frame = frame.tb_next
        return f"{type(error).__name__} at {place}: {str(error)[:120]}", True
    return "taken", False


def of_stored(stored: tuple[dict[str, Any], Any], rng: random.Random) -> tuple[dict[str, Any], Any]:
    """Other named arrays, or another description of them."""
    arrays, about = stored
    if rng.random() < 0.5:
        return arrays, of_values(about, rng)
    name, other = rng.choice([*arrays]), arrays[rng.choice([*arrays])]
    array = np.atleast_1d(arrays[name])
    changed: list[Any] = [
        *(
            other,
            array[:0],
            array[..., None],
            array.ravel(),
            array[:1],
            array.astype(np.float64),
            -array.astype(np.int64),
        ),
        *(np.full(array.shape, 2**30), np.concatenate([array, array]), np.zeros((0, 0)), np.array(5)),
        *(array.T, array.astype(np.uint8), array.astype(np.float64) * np.nan, -array.astype(np.int64)),
    ]
    kept = {key: value for key, value in arrays.items() if key != name}
    return (kept, about) if rng.random() < 0.2 else ({**kept, name: rng.choice(changed)}, about)
