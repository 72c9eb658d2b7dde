"""Data-set kinds: one class each, with its parameters and a `load`, and the union that `params.yaml` chooses from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, PlainValidator, model_validator

from pipeline.core.errors import InputError
from pipeline.core.paths import INPUTS
from pipeline.core.strict_model import StrictModel
from pipeline.data.bundled import load_bundled
from pipeline.data.dataset import Dataset, Pool
from pipeline.data.options import Meaning, Scale, TableOptions
from pipeline.data.pool_splits import split_pool
from pipeline.data.synthetic import MixtureTask, make_mixture
from pipeline.data.tables.expectation import Expectation, check_expected
from pipeline.data.tables.load import load_openml, read_file

DOWNLOADS = Path(".cache/openml")
MOST_SEPARATION = 1e6
"""Of what stays exact in 32 bits."""
TASK_SEED = 2026  # fixes a synthetic task's component means, which all its seeds share


def _rows(value: object) -> int | float:
    whole = type(value) is int and value >= 1
    share = type(value) is float and 0 < value < 1
    if not (isinstance(value, int | float) and (whole or share)):
        raise ValueError("must be a number of rows (an integer from 1) or a share of them (between 0 and 1)")
    return value


Rows = Annotated[int | float, PlainValidator(_rows)]


class Source(StrictModel, ABC):
    """A kind of data set: its parameters, and how it is loaded."""

    @abstractmethod
    def load(self, name: str, *, seeds: int) -> Dataset:
        """Draw or read the data set and divide it for seeds 0 to `seeds` - 1; `name` is for messages.

        Raises:
            InputError: a file, column, row or size cannot be used.
        """

    @property
    def files(self) -> tuple[Path, ...]:
        """The user's files that it is read from."""
        return ()


class Synthetic(Source):
    """A task whose class probabilities are known: every seed draws fresh rows, all share one test set."""

    features: int = Field(ge=1, description="Number of features.")
    classes: int = Field(ge=2, description="Number of classes.")
    train: int = Field(ge=2, description="Training rows of each seed.")
    validation: int = Field(ge=2, description="Validation rows of each seed.")
    test: int = Field(ge=2, description="Rows of the test set that all seeds share.")

    def draw(self, name: str, *, seeds: int, components: int, separation: float, label_noise: float) -> Dataset:
        """Rows of a Gaussian mixture of these sizes."""
        task = MixtureTask(
            seed=TASK_SEED,
            classes=self.classes,
            components=components,
            features=self.features,
            separation=separation,
            label_noise=label_noise,
        )
        return make_mixture(task, seeds=seeds, train=self.train, validation=self.validation, test=self.test, name=name)


class Mixture(Synthetic):
    """Classes are mixtures of Gaussians with identity covariance; the Bayes posterior is exact."""

    kind: Literal["mixture"]
    components: int = Field(ge=1, description="Gaussian components of each class.")
    separation: float = Field(
        ge=0,
        le=MOST_SEPARATION,
        allow_inf_nan=False,
        description="Scale of the component means, in standard deviations.",
    )
    label_noise: float = Field(ge=0, lt=1, description="Probability that a label is replaced by another class.")

    def load(self, name: str, *, seeds: int) -> Dataset:
        """Draw fresh rows for every seed, and one test set."""
        return self.draw(
            name,
            seeds=seeds,
            components=self.components,
            separation=self.separation,
            label_noise=self.label_noise,
        )


class RandomLabels(Synthetic):
    """Random labels: there is nothing to learn, and the best NLL is the log of the number of classes."""

    kind: Literal["noise"]

    def load(self, name: str, *, seeds: int) -> Dataset:
        """Draw fresh rows for every seed, and one test set; all classes lie at the origin."""
        return self.draw(name, seeds=seeds, components=1, separation=0.0, label_noise=0.0)


class Real(Source):
    """A fixed pool of rows; every seed is a new stratified split, and the test part is all that is left.

    Rows that belong together are on one side, and some of them may be left out; where rows are in order of time, or
    test rows have a file of their own, all seeds test on the same rows. See `split_pool`.
    """

    train: Rows = Field(description="Training rows of each seed, or their share of all rows.")
    validation: Rows = Field(description="Validation rows of each seed, or their share of all rows.")
    scale: Scale = Field(
        default="standard",
        description="Features by mean and deviation, clipped at 10; by median and quartiles, clipped smoothly at 3 "
        "(robust); or by normal scores of their ranks (quantile).",
    )

    @abstractmethod
    def pool(self, name: str) -> Pool:
        """All rows; `name` is for messages.

        Raises:
            InputError: they cannot be read or encoded.
        """

    def load(self, name: str, *, seeds: int) -> Dataset:
        """Read all rows and divide them anew for every seed."""
        return self.divide(self.pool(name), name, seeds=seeds)

    def divide(self, pool: Pool, name: str, *, seeds: int) -> Dataset:
        """Divide rows anew for every seed; `name` is for messages.

        Raises:
            InputError: a size cannot be used.
        """
        splits = split_pool(pool, seeds=seeds, train=self.train, validation=self.validation, name=name)
        return Dataset(pool, splits, self.scale)


class Bundled(Real):
    """A data set that comes with scikit-learn."""

    kind: Literal["bundled"]
    name: Literal["digits", "breast_cancer", "wine", "iris", "diabetes"] = Field(
        description="Which of scikit-learn's sets."
    )

    def pool(self, name: str) -> Pool:  # noqa: ARG002  (its own name is scikit-learn's)
        """All rows of one of scikit-learn's sets."""
        return load_bundled(self.name)


class File(Real, TableOptions):
    """The user's own table: .csv, .tsv, .parquet, .npz or .xlsx, also compressed (.csv.gz, .zip)."""

    kind: Literal["file"]
    path: str = Field(min_length=1, description="Where the file is, relative to the project.")
    test_path: str | None = Field(
        default=None,
        min_length=1,
        description="A file of rows to test on, with the same columns in any order; all other rows are for training "
        "and validation.",
    )
    expects: Expectation | None = Field(
        default=None,
        description="What its columns and classes meant when `add` wrote this; another meaning is refused.",
    )

    @model_validator(mode="after")
    def _test_rows_have_no_time(self) -> File:
        if self.test_path is not None and self.time is not None:
            raise ValueError(f"test_path and time exclude each other; got {self.test_path!r} and {self.time!r}")
        return self

    @property
    def files(self) -> tuple[Path, ...]:
        """The table, and that of test rows where they have one."""
        return tuple(Path(path) for path in (self.path, self.test_path) if path is not None)

    def pool(self, name: str) -> Pool:
        """All rows of the table, encoded."""
        for key, path in zip(("path", "test_path"), self.files, strict=False):
            if not _lies_in_inputs(path):
                raise InputError(f"datasets.{name}.{key}: must lie in {INPUTS}/, which DVC watches, got {str(path)!r}")
        path, *others = self.files
        pool = read_file(path, self, test_path=next(iter(others), None))
        if self.expects is not None and pool.understood is not None:
            check_expected(pool.understood.table, self.expects, self.path)
        return pool


def _lies_in_inputs(path: Path) -> bool:
    """Whether a path leads into inputs/, links followed; one that leads in circles, or is none, leads nowhere."""
    try:
        return path.resolve().is_relative_to(INPUTS.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


class OpenML(Real, Meaning):
    """A data set from openml.org, fetched once and cached."""

    kind: Literal["openml"]
    id: int = Field(ge=1, description="The data set's number on openml.org.")
    target: str | None = Field(default=None, description="Column that holds the class; OpenML's own default when null.")

    def pool(self, name: str) -> Pool:  # noqa: ARG002  (messages speak of its number)
        """All rows, fetched and encoded."""
        meaning = Meaning(**{name: getattr(self, name) for name in Meaning.model_fields})
        return load_openml(self.id, target=self.target, meaning=meaning, cache=DOWNLOADS)


DatasetParams = Annotated[
    Mixture
    | RandomLabels
    | Bundled
    | File
    | OpenML,
    Field(discriminator="kind"),
]  # fmt: skip
"""The registry: one row for each kind."""

SOURCES: dict[str, type[Source]] = {
    get_args(source.model_fields["kind"].annotation)[0]: source for source in get_args(get_args(DatasetParams)[0])
}
"""Each kind's class by the name that `params.yaml` has for it."""
