"""A table as it was read, before its columns are understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.data.options import Reading

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Attributes:
        name: what messages call it.
        frame: columns by name; those of a text file hold every cell's text as it stands there.
        reading: how the file is written, as given or detected.
        remarks: what was detected or left out, in words.
    """

    name: str
    frame: pd.DataFrame
    reading: Reading
    remarks: tuple[str, ...] = ()
