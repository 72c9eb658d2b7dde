"""Parquet files of typed columns: equal bytes for equal cells, and read as carefully as any file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pipeline.core.files import readable, write_bytes
from pipeline.core.memory import require_memory

if TYPE_CHECKING:
    from pyarrow import Field, Schema  # type: ignore[import-untyped]

_LEVEL = 9  # of zstd, with a version of pyarrow that constraints.txt pins
_CELL = 8  # bytes at least
_ROWS = 10_000  # as Python objects, which take far more


class Column(NamedTuple):
    """What the cells of a column are, and whether they may be empty."""

    kind: Literal["string", "float64", "int64", "bool"]
    optional: bool = False


def write_parquet(path: Path, columns: Mapping[str, Column], cells: Mapping[str, Sequence[object]]) -> None:
    """Write cells by column; None is an empty one, and NaN stays NaN.

    Floats have no dictionary, which they would outgrow, and columns no statistics, which only help to skip rows.

    Raises:
        ArrowException: a cell is not what its column says.
    """
    from pyarrow import BufferOutputStream, parquet, table  # noqa: PLC0415  (slow to import)

    content = BufferOutputStream()
    parquet.write_table(
        table({name: cells[name] for name in columns}, schema=_schema(columns)),
        content,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=[name for name, column in columns.items() if column.kind in ("string", "int64")],
        write_statistics=False,
    )
    write_bytes(path, content.getvalue().to_pybytes())


def read_parquet(path: Path, columns: Mapping[str, Column]) -> Iterator[dict[str, list[Any]]]:
    """Read what `write_parquet` wrote: its cells by column, `_ROWS` rows at a time.

    Raises:
        InputError: the file is missing, damaged, has other columns, or is more than memory holds.
    """
    from pyarrow import ArrowException, BufferReader, parquet  # noqa: PLC0415  (slow to import)

    with readable(path, ArrowException, OSError, LookupError, TypeError, ValueError, OverflowError, MemoryError):
        require_memory(path.stat().st_size, "a table of this size", str(path))
        file = parquet.ParquetFile(BufferReader(path.read_bytes()))
        _require(columns, file.schema_arrow)
        cells = file.metadata.num_rows * file.metadata.num_columns
        require_memory(_CELL * cells, f"{cells:,} cells", str(path))
        table = file.read()
        table.validate(full=True)  # a damaged file may hold text that is not UTF-8
    for batch in table.to_batches(max_chunksize=_ROWS):
        yield {name: batch.column(name).to_pylist() for name in columns}


def _schema(columns: Mapping[str, Column]) -> Schema:
    from pyarrow import field, schema, type_for_alias  # noqa: PLC0415  (slow to import)

    return schema([field(name, type_for_alias(each.kind), nullable=each.optional) for name, each in columns.items()])


def _require(columns: Mapping[str, Column], schema: Schema) -> None:
    """Raise ValueError unless a file has these columns, in this order."""
    wanted, present = ([_told(field) for field in each] for each in (_schema(columns), schema))
    for right, wrong in zip(wanted, [*present, *["nothing"] * len(wanted)], strict=False):
        if right != wrong:
            raise ValueError(f"columns must have {right}, got {wrong}")
    if len(present) > len(wanted):
        raise ValueError(f"columns must be {len(wanted)}, got also {present[len(wanted)]}")


def _told(field: Field) -> str:
    return f"{field.name}: {field.type}{'' if field.nullable else ' not null'}"
