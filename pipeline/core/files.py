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
from secrets import token_hex
from typing import Any, TypeVar

from pipeline.core.errors import InputError
from pipeline.core.paths import MADE, input_file, output

Row = TypeVar("Row")


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
def readable(path: Path, *broken: type[Exception]) -> Iterator[None]:
    """Say in one line what is wrong with a file of the pipeline's own that is missing, or damaged in these ways."""
    try:
        _check_file(path)
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `dvc repro` makes it") from None
    except broken as error:
        raise InputError(f"{path}: damaged ({' '.join(str(error).split())}); delete it and run `dvc repro`") from None


def _check_file(path: Path) -> None:
    """Raise InputError where something else than a file is: reading from a pipe would wait for ever."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: must be a file; move away what is there and run `dvc repro`")


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step; a reader never sees a part of it, a failure leaves the old file.

    Raises:
        ValueError: `path` is no output of the project.
        OSError: the disk is full or the folder cannot be written (with `path` as its filename).
    """
    with part_beside(output(path), content) as part:
        part.replace(path)


def add_file(path: Path, content: bytes) -> bool:
    """Write a file that is not there yet into inputs/, in one step; False where an equal one is there already.

    Raises:
        ValueError: `path` does not lie below inputs/.
        FileExistsError: there is another file of that name, which is left alone.
        OSError: the disk is full or the folder cannot be written (with `path` as its filename).
    """
    return create_file(input_file(path), content)


def create_file(path: Path, content: bytes) -> bool:
    """Write a file of the user's choice that is not there yet, as `add_file` does; for what no project holds.

    Raises:
        FileExistsError: there is another file of that name, which is left alone.
        OSError: the disk is full or the folder cannot be written (with `path` as its filename).
    """
    with part_beside(path, content) as part:
        try:
            os.link(part, path)
        except FileExistsError:
            if not path.is_file() or path.read_bytes() != content:
                raise
            return False
    return True


@contextmanager
def part_beside(path: Path, content: bytes) -> Iterator[Path]:
    """A complete file beside `path`, of a name that nobody else has, to be moved there; gone afterwards."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{token_hex(4)}.part")
    made = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            made = True
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield part
    except FileExistsError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        if made:
            part.unlink(missing_ok=True)


def read_bytes(path: Path) -> bytes:
    """The content of a file of the pipeline's own.

    Raises:
        InputError: there is no such file.
    """
    with readable(path):
        return path.read_bytes()


def write_json(path: Path, content: object) -> None:
    """Write JSON with sorted keys; NaN and infinities are refused with ValueError."""
    write_bytes(path, (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file of the pipeline's own."""
    with readable(path, ValueError, RecursionError):
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


def read_csv(
    path: Path, *, cells: Mapping[str, Callable[[str], object]], into: Callable[[dict[str, Any]], Row]
) -> list[Row]:
    """Read what `write_csv` wrote.

    Args:
        path: of the file.
        cells: columns, by what reads a field; None is where one is empty.
        into: makes something of a row.

    Raises:
        InputError: the file is missing, lacks a column, or a field or a row cannot be read.
    """
    import csv  # noqa: PLC0415

    broken = (AttributeError, LookupError, OverflowError, TypeError, ValueError, csv.Error)
    with readable(path, *broken), path.open(newline="", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
        if any(None in row for row in rows):
            raise ValueError("a row has more fields than the header")
        return [
            into(row | {name: read(row[name]) if row[name] else None for name, read in cells.items()}) for row in rows
        ]


def digest(content: bytes) -> str:
    """SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        InputError: there is no such file.
    """
    with readable(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dvc_digest(path: Path) -> str:
    """MD5 of a file: the name under which DVC's cache holds it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def keep_only(folder: Path, wanted: Iterable[Path]) -> None:
    """Delete what an earlier call kept in `folder` and is not wanted any more: an output holds just what it should.

    What is deleted is taken from a list of what was made, which is kept in `.cache/`: a file that is not on it is left
    alone, whatever its name, and so is what a link leads to.

    Raises:
        ValueError: `folder` does not lie below an output folder, or a wanted file is not in it; nothing is deleted.
    """
    folder = output(folder)
    keep = {output(path).relative_to(folder).as_posix() for path in wanted}
    record = MADE / folder.with_name(f"{folder.name}.json")
    for name in sorted({*_made(record)} - keep, reverse=True):
        discard(folder / name, within=folder)
    write_json(record, sorted(keep))


def _made(record: Path) -> list[str]:
    """The names on a list of what was made; none where there is no list, or it is damaged."""
    try:
        names = json.loads(record.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return []
    return [name for name in names if _is_below(name)] if isinstance(names, list) else []


def _is_below(name: object) -> bool:
    """Whether a name leads from a folder to what lies in it."""
    return isinstance(name, str) and "\0" not in name and not {"..", "/"} & {*Path(name).parts}


def discard(path: Path, *, within: Path) -> None:
    """Delete one file of the project's own, and the folders between it and `within` that this leaves empty.

    A folder of that name is left alone, and so is what lies behind a link.

    Raises:
        ValueError: `path` does not lie below `within`, or that does not lie below an output folder.
    """
    folder = output(within)
    *inner, outer = (folder / each for each in output(path).relative_to(folder).parents)
    if any(each.is_symlink() for each in (*inner, outer)) or not (path.is_file() or path.is_symlink()):
        return
    path.unlink()
    for each in inner:
        if any(each.iterdir()):
            return
        each.rmdir()
