"""Which data sets there can be, and what their parameters are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.fields import Names, Rows, Strict


class Synthetic(Strict):
    """A task whose class probabilities are known: every seed draws fresh rows, all share one test set."""

    features: int = Field(ge=1, description="Number of features.")
    classes: int = Field(ge=2, description="Number of classes.")
    train: int = Field(ge=2, description="Training rows of each seed.")
    validation: int = Field(ge=2, description="Validation rows of each seed.")
    test: int = Field(ge=2, description="Rows of the test set that all seeds share.")


class Mixture(Synthetic):
    """Classes are mixtures of Gaussians with identity covariance; the Bayes posterior is exact."""

    kind: Literal["mixture"]
    components: int = Field(ge=1, description="Gaussian components of each class.")
    separation: float = Field(
        ge=0, allow_inf_nan=False, description="Scale of the component means, in standard deviations."
    )
    label_noise: float = Field(ge=0, lt=1, description="Probability that a label is replaced by another class.")


class Noise(Synthetic):
    """Random labels: there is nothing to learn, and the best NLL is the log of the number of classes."""

    kind: Literal["noise"]


class Real(Strict):
    """A fixed pool of rows; every seed is a new stratified split, and the test part is all that is left."""

    train: Rows = Field(description="Training rows of each seed, or their share of all rows.")
    validation: Rows = Field(description="Validation rows of each seed, or their share of all rows.")


class Bundled(Real):
    """A data set that comes with scikit-learn."""

    kind: Literal["bundled"]
    name: Literal["digits", "breast_cancer", "wine", "iris"] = Field(description="Which of scikit-learn's sets.")


class File(Real):
    """The user's own table: .csv, .parquet or .npz."""

    kind: Literal["file"]
    path: str = Field(min_length=1, description="Where the file is, relative to the project.")
    target: str = Field(default="y", min_length=1, description="Column that holds the class (strings or integers).")
    ignore: Names = Field(default=(), description="Columns to leave out, identifiers for example.")
    missing: Literal["error", "impute"] = Field(
        default="error", description="Refuse missing values, or impute the training mean."
    )


class OpenML(Real):
    """A data set from openml.org, fetched once and cached."""

    kind: Literal["openml"]
    id: int = Field(ge=1, description="The data set's number on openml.org.")
    target: str | None = Field(default=None, description="Column that holds the class; OpenML's own default when null.")
    missing: Literal["error", "impute"] = Field(
        default="error", description="Refuse missing values, or impute the training mean."
    )


KINDS: dict[str, type[Strict]] = {
    "mixture": Mixture,
    "noise": Noise,
    "bundled": Bundled,
    "file": File,
    "openml": OpenML,
}
DatasetParams = Annotated[Mixture | Noise | Bundled | File | OpenML, Field(discriminator="kind")]
