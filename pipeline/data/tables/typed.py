"""Files whose columns have types: Parquet, NPZ and Excel."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.errors import InputError
from pipeline.core.memory import require_memory
from pipeline.data.options import Reading
from pipeline.data.tables.cells import text_of
from pipeline.data.tables.header import find_header, settle_names
from pipeline.data.tables.messages import check_known, listed
from pipeline.data.tables.table import Table

if TYPE_CHECKING:
    import pandas as pd


_CELL = 8  # bytes at least


def read_parquet(content: bytes, name: str, reading: Reading, _: str) -> Table:
    """Read Parquet; an index that pandas stored is left out.

    Raises:
        ArrowInvalid: the file is damaged.
    """
    from pyarrow import BufferReader, parquet  # type: ignore[import-untyped]  # noqa: PLC0415  (slow to import)

    file = parquet.ParquetFile(BufferReader(content))
    cells = file.metadata.num_rows * file.metadata.num_columns
    require_memory(_CELL * cells, f"{cells:,} cells", name)
    arrow = file.read()
    arrow.validate(full=True)  # a damaged file may hold text that is not UTF-8
    frame: pd.DataFrame = arrow.to_pandas()
    frame.columns = [str(column) for column in frame.columns]
    return Table(name, frame.reset_index(drop=True), reading)


def read_npz(content: bytes, name: str, reading: Reading, target: str) -> Table:
    """Read the matrix `X` or `features` of an NPZ archive, and the array that holds the target.

    Raises:
        InputError: an array is missing, or has another shape or type.
    """
    import pandas as pd  # noqa: PLC0415  (slow to import)

    if not content.startswith(b"PK"):
        raise InputError(f"{name}: must be an NPZ archive of arrays; it is no zip file")
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        size = sum(member.file_size for member in packed.infolist())
    require_memory(2 * size, "arrays of this size", name)
    archive = np.load(io.BytesIO(content), allow_pickle=False)
    matrix = "features" if "features" in archive.files and "X" not in archive.files else "X"
    check_known(matrix, archive.files, f"{name}: feature array")
    check_known(target, archive.files, f"{name}: target array")
    features, labels = (_native(np.asarray(archive[key]), f"{name}: array {key!r}") for key in (matrix, target))
    for key, array, axes in ((matrix, features, 2), (target, labels, 1)):
        if array.ndim != axes:
            raise InputError(f"{name}: array {key!r} must be {axes}-D; its shape is {array.shape}")
    if len(features) != len(labels):
        lengths = f"got {len(features)} and {len(labels)}"
        raise InputError(f"{name}: arrays {matrix!r} and {target!r} must have equally many rows; {lengths}")
    frame = pd.DataFrame(features, columns=[f"x{j}" for j in range(features.shape[1])])
    frame.insert(len(frame.columns), target, labels, allow_duplicates=True)
    return Table(name, frame, reading)


def read_excel(content: bytes, name: str, reading: Reading, target: str) -> Table:
    """Read a sheet of an Excel file: the first one that has cells, unless another is named.

    Raises:
        InputError: openpyxl is not installed, there is no such sheet, or it is no table.
    """
    import pandas as pd  # noqa: PLC0415  (slow to import)

    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        size = sum(member.file_size for member in packed.infolist())
    require_memory(_CELL * size, "a book of this size", name)
    try:
        book = pd.ExcelFile(io.BytesIO(content), engine="openpyxl")
    except ImportError:
        hint = "pip install openpyxl, or save it as .csv"
        raise InputError(f"{name}: Excel files need the package openpyxl; {hint}") from None
    sheets = [str(sheet) for sheet in book.sheet_names]
    chosen = sheets[0] if reading.sheet is None else reading.sheet
    check_known(chosen, sheets, f"{name}: sheet")
    with book:
        cells = pd.read_excel(book, sheet_name=chosen, header=None, dtype=object, keep_default_na=False, na_values=[""])
    cells = cells.dropna(how="all")
    if len(cells) < 2:
        raise InputError(f"{name}: must have a header line and data rows; sheet {chosen!r} has {len(cells)} rows")
    preview = [[_shown(value) for value in row] for row in cells.head(100).to_numpy().tolist()]
    header = find_header(preview, [len(cells.columns)], target=target, lines=reading.header)
    body = cells.iloc[header.lines :].reset_index(drop=True)
    body.columns = pd.RangeIndex(len(body.columns))
    frame, names, said = settle_names(_settled(body), header.names, name=name, target=target)
    frame.columns = pd.Index(names)
    others = (f"sheet {chosen!r} of {listed(sheets)}",) if len(sheets) > 1 else ()
    resolved = reading.model_copy(update={"sheet": chosen, "header": header.lines})
    return Table(name, frame, resolved, (*others, *header.remarks, *said))


def _settled(body: pd.DataFrame) -> pd.DataFrame:
    """Columns of one type where their cells agree, of texts where they do not."""
    from pandas.api.types import infer_dtype  # noqa: PLC0415  (slow to import)

    def settled(column: pd.Series) -> pd.Series:
        mixed = infer_dtype(column, skipna=True) in ("mixed", "mixed-integer")
        return column.map(_shown).astype(str) if mixed else column.infer_objects()

    return body.apply(settled)


def _shown(value: object) -> str:
    """A cell as a text file would have it."""
    return "" if value is None or value != value else text_of(value)  # noqa: PLR0124  (NaN)


def _native(array: np.ndarray, where: str) -> np.ndarray:
    """In a byte order and a precision that pandas knows."""
    if array.dtype.kind not in "biufU":
        raise InputError(f"{where} must hold numbers, booleans or strings; its type is {array.dtype}")
    with np.errstate(over="ignore"):  # a long double may become infinite, which is refused later
        return array.astype(np.float64 if array.dtype.kind == "f" else array.dtype.newbyteorder("="))
