"""Files: written whole or not at all, with equal bytes for equal content.

Nothing but the outputs that `pipeline.core.paths` lists is replaced or deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.core.paths import output

Arrays = Mapping[str, NDArray[Any]]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process after another do what is done inside: who comes later waits. `path` is an output, and empty."""
    import fcntl  # noqa: PLC0415

    path = output(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _readable(path: Path, *broken: type[Exception]) -> Iterator[None]:
    """Say in one line what is wrong with a file of the pipeline's own that is missing, or damaged in these ways."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `dvc repro` makes it") from None
    except broken as error:
        raise InputError(f"{path}: damaged ({' '.join(str(error).split())}); delete it and run `dvc repro`") from None


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step; a reader never sees a part of it, a failure leaves the old file.

    Raises:
        ValueError: `path` is no output of the project.
        OSError: the disk is full or the folder cannot be written (with `path` as its filename).
    """
    output(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def add_file(path: Path, content: bytes) -> bool:
    """Write a file that is not there yet, in one step; False where an equal one is there already.

    Raises:
        FileExistsError: there is another file of that name, which is left alone.
        OSError: the disk is full or the folder cannot be written (with `path` as its filename).
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.link(part, path)
    except FileExistsError:
        if not path.is_file() or path.read_bytes() != content:
            raise
        return False
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    else:
        return True
    finally:
        part.unlink(missing_ok=True)


def read_bytes(path: Path) -> bytes:
    """The content of a file of the pipeline's own.

    Raises:
        InputError: there is no such file.
    """
    with _readable(path):
        return path.read_bytes()


def write_json(path: Path, content: object) -> None:
    """Write JSON with sorted keys; NaN and infinities are refused with ValueError."""
    write_bytes(path, (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file of the pipeline's own."""
    with _readable(path, ValueError):
        return json.loads(path.read_bytes())


def write_csv(path: Path, rows: Iterable[Mapping[str, object]], *, columns: Sequence[str]) -> None:
    """Write flat rows, whose keys are the columns, as CSV; no rows leave a header line."""
    import csv  # noqa: PLC0415
    import io  # noqa: PLC0415

    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode())


def read_csv(path: Path, *, cells: Mapping[str, Callable[[str], object]]) -> list[dict[str, Any]]:
    """Read what `write_csv` wrote: the columns of `cells` by what reads a field, None where it is empty.

    Raises:
        InputError: the file is missing, lacks a column, or a field cannot be read.
    """
    import csv  # noqa: PLC0415

    with _readable(path, KeyError, TypeError, ValueError), path.open(newline="", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
        return [row | {name: read(row[name]) if row[name] else None for name, read in cells.items()} for row in rows]


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

    broken = (SafetensorError, KeyError, TypeError, ValueError)
    with _readable(path, *broken), safe_open(path, framework="numpy") as file:
        about = json.loads(file.metadata()["about"])
        return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118  (not a mapping)


def digest(content: bytes) -> str:
    """SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        InputError: there is no such file.
    """
    with _readable(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dvc_digest(path: Path) -> str:
    """MD5 of a file: the name under which DVC's cache holds it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def keep_only(folder: Path, wanted: Iterable[Path]) -> None:
    """Delete files below `folder` that are not wanted, and folders left empty: an output holds just what it should.

    Links to folders are left alone, and so is what they lead to.

    Raises:
        ValueError: `folder` does not lie below an output folder, or a wanted file is no output; nothing is deleted.
    """
    keep = {output(path) for path in wanted}
    for path in sorted(output(folder).rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
        elif path.is_file() and path not in keep:
            path.unlink()
