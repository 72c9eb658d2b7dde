"""Files of tables: delimited text, Parquet, NPZ and Excel, also compressed by gzip or zip."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from stat import S_ISREG

from pipeline.core.errors import InputError
from pipeline.core.memory import memory, require_memory
from pipeline.data.options import Reading
from pipeline.data.tables.delimited import MOST_COLUMNS, read_delimited
from pipeline.data.tables.messages import listed, one_line, reason
from pipeline.data.tables.table import Table
from pipeline.data.tables.typed import read_excel, read_npz, read_parquet

_READERS: dict[str, Callable[[bytes, str, Reading, str], Table]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".txt": read_delimited,
    ".parquet": read_parquet,
    ".npz": read_npz,
    ".xlsx": read_excel,
}
_PACKED = (".gz", ".zip")
_TIMES = 8  # the memory that a table needs, in bytes of its file: cells become objects
_KINDS = f"{', '.join(_READERS)}, or in one of these and .gz or .zip"


def read_table(path: Path, reading: Reading, *, target: str) -> Table:
    """Read a file as it is written; what `reading` leaves open is detected and said.

    All cells of a text file stay texts. NPZ holds a matrix `X` or `features`, whose columns are called x0, x1, ...,
    and the target. An index that pandas stored in a Parquet file is left out.

    Args:
        path: .csv, .tsv, .txt, .parquet, .npz or .xlsx, also compressed: .csv.gz, .zip.
        reading: what the user said about it.
        target: the column, or the array of an NPZ, that holds the class.

    Raises:
        InputError: the file cannot be read.
    """
    name = one_line(path)
    outer = path.suffix.lower()
    if outer not in (*_READERS, *_PACKED):
        raise InputError(f"{name}: must end in {_KINDS}; got {path.suffix!r}")
    content, inner = _content(path, name), PurePath(path)
    if outer in _PACKED:
        with _readable(name, outer):
            content, inner = _unpacked(content, path, name)
    suffix = inner.suffix.lower()
    if suffix not in _READERS:
        raise InputError(f"{name}: must hold a file that ends in {', '.join(_READERS)}; got {inner.name!r}")
    with _readable(name, suffix):
        table = _READERS[suffix](content, name, reading, target)
    if len(table.frame.columns) > MOST_COLUMNS:
        raise InputError(f"{name}: must have at most {MOST_COLUMNS:,} columns, got {len(table.frame.columns):,}")
    return table


@contextmanager
def _readable(name: str, suffix: str) -> Iterator[None]:
    """Say in one line why a reader gave up."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        pickled = "it holds pickled Python objects, which could run code"
        why = pickled if "allow_pickle" in str(error) else reason(error)
        raise InputError(f"{name}: cannot be read as a {suffix} file: {why}") from error


def _content(path: Path, name: str) -> bytes:
    try:
        check_regular(path, name)
        require_memory(_TIMES * path.stat().st_size, "a table of this size", name)
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        why = getattr(error, "strerror", None) or reason(error)
        raise InputError(f"{name}: must be a file that can be read: {why}") from error
    if not content:
        raise InputError(f"{name}: must not be empty; got 0 bytes")
    return content


def check_regular(path: Path, name: str) -> None:
    """Raise InputError where a pipe or a device is, which may have no end.

    Raises:
        OSError: there is nothing.
    """
    if not (path.is_dir() or S_ISREG(path.stat().st_mode)):
        raise InputError(f"{name}: must be a file that can be read: it is no file")


def _unpacked(content: bytes, path: Path, name: str) -> tuple[bytes, PurePath]:
    """The one file in a compressed one, and its name."""
    if path.suffix.lower() == ".gz":
        return _decompressed(content, name), PurePath(path.stem)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [member for member in archive.namelist() if not member.endswith("/")]
        members = [member for member in members if not member.startswith("__MACOSX/")]
        if len(members) != 1:
            raise InputError(f"{name}: must hold one file; it holds {listed(members)}")
        require_memory(_TIMES * archive.getinfo(members[0]).file_size, "a table of this size", name)
        return archive.read(members[0]), PurePath(members[0])


def _decompressed(content: bytes, name: str) -> bytes:
    most = memory() // _TIMES
    with gzip.open(io.BytesIO(content)) as file:
        unpacked = file.read(most + 1)
    if len(unpacked) > most:
        require_memory(memory() + 1, "a table of this size", name)
    return unpacked
