"""Named arrays in safetensors files, which no code hides in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.files import readable, write_bytes

Arrays = Mapping[str, NDArray[Any]]
_LENGTH = 8  # bytes of a safetensors file that say how long its header is
_TYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "BOOL": "?"}  # of a data set's arrays


def encode_arrays(arrays: Arrays, about: object) -> bytes:
    """Named arrays and a JSON-ready description in the safetensors format, which no code hides in."""
    from safetensors.numpy import save  # noqa: PLC0415

    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    content: bytes = save(contiguous, metadata={"about": json.dumps(about, sort_keys=True)})
    return content


def write_arrays(path: Path, arrays: Arrays, about: object) -> None:
    """Write named arrays and a JSON-ready description; see `encode_arrays`."""
    write_bytes(path, encode_arrays(arrays, about))


def read_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], Any]:
    """Read what `write_arrays` wrote.

    Raises:
        InputError: the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    broken = (SafetensorError, KeyError, TypeError, ValueError, RecursionError)
    with readable(path, *broken), safe_open(path, framework="numpy") as file:
        about = json.loads(file.metadata()["about"])
        return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118  (not a mapping)


def decode_arrays(content: bytes, path: Path) -> tuple[dict[str, NDArray[Any]], Any]:
    """What `read_arrays` gives, from the content of a file; the file's name is for its message.

    Raises:
        InputError: the content is damaged.
    """
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.numpy import load  # noqa: PLC0415

    with readable(path, SafetensorError, KeyError, TypeError, ValueError):
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return {name: array.copy() for name, array in load(content).items()}, json.loads(
            header["__metadata__"]["about"]
        )


def map_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], Any]:
    """As `read_arrays`, but arrays stay in the file, and only what is used of them is read.

    Processes share what they have read. What is written to an array stays in this process.

    Raises:
        InputError: the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    with readable(path, SafetensorError, KeyError, TypeError, ValueError):
        with safe_open(path, framework="numpy") as file:  # checks sizes and places
            about = json.loads(file.metadata()["about"])
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(_LENGTH), "little")
            header = json.loads(stream.read(size))
        places = {name: entry for name, entry in header.items() if name != "__metadata__"}
        return {name: _mapped(path, entry, _LENGTH + size) for name, entry in places.items()}, about


def _mapped(path: Path, entry: Mapping[str, Any], start: int) -> NDArray[Any]:
    """An array in a safetensors file, whose numbers begin at `start`."""
    kind, shape = np.dtype(_TYPES[entry["dtype"]]), tuple(entry["shape"])
    if 0 in shape:
        return np.empty(shape, kind)
    return np.memmap(path, kind, mode="c", offset=start + entry["data_offsets"][0], shape=shape)
