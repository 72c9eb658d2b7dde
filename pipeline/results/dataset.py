"""Records of a data set: its sizes, its classes, and what the user's own table was understood as."""

from __future__ import annotations

from typing import Annotated

from pipeline.config.fields import Name
from pipeline.core.strict_model import OmitDefault
from pipeline.data.schema import TableNotes
from pipeline.results.record import Record


class ClassCount(Record):
    """A class of a data set and how many rows of the pool have it."""

    name: str
    rows: int


class DatasetSummary(Record):
    """Sizes of a data set.

    Attributes:
        overlapping: Whether seeds resplit one pool.
        md5: Of its file, as DVC has it.
        drawn: Shares of train and validation blocks that seeds draw, where these overlap in another way.
        table: What the user's own table was understood as.
    """

    name: Name
    rows: int
    features: int
    feature_names: tuple[str, ...]
    classes: tuple[ClassCount, ...]
    seeds: int
    train: int
    validation: int
    test: int
    overlapping: bool
    md5: str
    drawn: Annotated[dict[str, float] | None, OmitDefault()] = None
    table: Annotated[TableNotes | None, OmitDefault()] = None
