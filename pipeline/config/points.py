"""Points: complete rows of hyperparameters, and how a row whose values are lists becomes several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from pipeline.config.fields import (
    LONGEST_LABEL,
    Label,
    LearningRate,
    LearningRates,
    Name,
    Probability,
    Strength,
    Strict,
    Widths,
)
from pipeline.config.reading import printable, validate
from pipeline.config.settings import word
from pipeline.core.errors import InputError
from pipeline.core.strict_model import OmitDefault

MOST_POINTS = 1000
"""Of a variant, or of another list of rows."""
_DIGITS = 8  # of a digest


class Network(Strict):
    """The network that is trained."""

    architecture: Literal["mlp", "conv", "gru"] = Field(
        default="mlp",
        description="Multilayer perceptron; convolutions, or a recurrent network that reads rows, of a square image.",
    )
    hidden: Widths = Field(
        description="Width of each hidden layer; channels of each convolution; a gru has one, a multiple of 16."
    )


class Fit(Strict):
    """How a network is fitted, but for the learning rate."""

    epochs: int = Field(ge=1, le=1_000_000, description="Passes over the training rows.")
    batch_size: int = Field(ge=1, le=1_000_000_000, description="Rows of a step; the last of an epoch may have fewer.")
    optimizer: Literal["adam", "sgd"] = Field(description="Adam (AdamW where weight_decay > 0) or SGD.")
    schedule: Literal["constant", "cosine"] = Field(description="Learning rate over time; cosine ends at zero.")
    momentum: Probability = Field(description="Momentum of SGD; Adam does not use it.")
    balance: Annotated[Literal["none", "weights"], OmitDefault()] = Field(
        default="none",
        description="Weigh a row's loss by the inverse frequency of its class in training, which shifts probabilities "
        "towards rare classes.",
    )
    device: Annotated[Literal["cpu", "cuda"], OmitDefault()] = Field(
        default="cpu", description="What trains the networks: a GPU rounds differently, so that the last bits change."
    )


class Train(Fit):
    """How the networks of a study are fitted."""

    learning_rate: LearningRates = Field(
        min_length=1,
        description="Step size at the start; of several, every point takes the one that is best on the tuning seeds.",
    )

    @field_validator("learning_rate")
    @classmethod
    def _rates_must_differ(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(rates)) < len(rates):
            raise ValueError(f"must differ, got {list(rates)}")
        return rates


class Regularizers(Strict):
    """The strength of each regularizer; exactly 0 (or none) is off."""

    dropout: Probability = Field(default=0.0, description="Probability of dropping a hidden unit.")
    input_dropout: Probability = Field(default=0.0, description="Probability of dropping an input feature.")
    output_dropout: Probability = Field(default=0.0, description="Probability of dropping a logit.")
    shared_dropout: bool = Field(
        default=False,
        description="One dropout mask for all positions of a convolution (spatial dropout, Tompson et al. 2015) or all "
        "steps of a recurrent network (variational dropout, Gal & Ghahramani 2016).",
    )
    weight_decay: Strength = Field(
        default=0.0, description="Decoupled decay: weights shrink by 1 - learning_rate * weight_decay a step."
    )
    l2: Strength = Field(default=0.0, description="L2 penalty l2/2 * sum(w**2), through the optimizer's gradient.")
    label_smoothing: Probability = Field(default=0.0, description="Share of a label that is spread over all classes.")
    mixup: Strength = Field(default=0.0, description="Beta(a, a) of the mixing weight between two rows of a batch.")
    cutmix: Strength = Field(
        default=0.0, description="Beta(a, a) of the share of features kept when others come from another row."
    )
    cutout: Probability = Field(
        default=0.0, description="Share of the features set to their mean, drawn anew for each row."
    )
    noise: Strength = Field(
        default=0.0, description="Gaussian noise on the inputs, in standard deviations of a feature."
    )
    max_norm: Strength = Field(
        default=0.0, description="Largest norm of the weights into a hidden unit; 0 sets no limit."
    )
    averaging: Probability = Field(
        default=0.0, description="Decay of the moving average of the weights that is evaluated."
    )
    early_stopping: Literal["none", "nll", "nll_calibrated"] = Field(
        default="none",
        description="Keep the epoch with the best validation NLL, or the best after calibration.",
    )
    patience: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Epochs without a better one after which early stopping ends; 0 never ends.",
    )
    batch_norm: bool = Field(default=False, description="Batch normalization before each ReLU.")
    focal_loss: Annotated[Strength, OmitDefault()] = Field(
        default=0.0,
        description="Exponent gamma of the focal loss: a class's cross-entropy times (1 - its probability)**gamma.",
    )
    confidence_penalty: Annotated[Strength, OmitDefault()] = Field(
        default=0.0, description="Weight beta of the predictions' mean entropy, which is subtracted from the loss."
    )
    r_drop: Annotated[Strength, OmitDefault()] = Field(
        default=0.0,
        description="Weight alpha of the divergence between two passes that differ in dropout's masks of hidden units.",
    )


STRENGTHS = tuple(name for name, field in Regularizers.model_fields.items() if field.annotation is float)


class Point(Network, Fit, Regularizers):
    """One complete row of hyperparameters; in params.yaml a list value is a sweep."""

    learning_rate: LearningRate = Field(description="Step size at the start: of this point alone, never tuned.")
    replicate: int = Field(
        default=0, ge=0, le=1, description="1 trains on the second half of the seeds: the A/A check."
    )

    @model_validator(mode="after")
    def _fields_must_agree(self) -> Point:
        if self.learning_rate * self.weight_decay > 1:
            product_ = self.learning_rate * self.weight_decay
            raise ValueError(
                f"learning_rate * weight_decay must be at most 1 (weights would change sign), got {product_:g}"
            )
        if self.patience and self.early_stopping == "none":
            raise ValueError(f"patience needs early_stopping nll or nll_calibrated, got patience {self.patience}")
        return self

    @model_validator(mode="after")
    def _the_architecture_must_offer_it(self) -> Point:
        if self.shared_dropout and self.architecture == "mlp":
            raise ValueError("shared_dropout needs architecture conv or gru, got mlp")
        if self.batch_norm and self.architecture != "mlp":
            raise ValueError(f"batch_norm needs architecture mlp, got {self.architecture}")
        if self.max_norm and self.architecture == "gru":
            raise ValueError("max_norm needs architecture mlp or conv, got gru")
        if self.architecture == "gru" and (len(self.hidden) != 1 or self.hidden[0] % 16):
            raise ValueError(
                f"architecture gru needs one hidden width, a multiple of 16 (kernels would round differently), "
                f"got {list(self.hidden)}"
            )
        return self


class Variant(Strict):
    """A named family of points, each with its candidates: itself at every learning rate that it may take."""

    name: Name
    candidates: tuple[tuple[Point, ...], ...]
    labels: tuple[Label, ...] = Field(description="A short name for each point, unique within the variant.")

    @property
    def points(self) -> tuple[Point, ...]:
        """Every point, at the first learning rate that it may take."""
        return tuple(candidates[0] for candidates in self.candidates)

    @property
    def pairs(self) -> Iterator[tuple[str, tuple[Point, ...]]]:
        """Every point's label with its candidates."""
        return zip(self.labels, self.candidates, strict=True)


Row = TypeVar("Row", bound=Point)


def expand(
    model: type[Row], rows: object, base: Mapping[str, object], path: Path, where: str, plain: str
) -> dict[str, Row]:
    """Points of a row or a list of rows, in which every list value is a sweep, by their labels.

    `plain` is the label of a point for which a row sets nothing.

    Raises:
        InputError: a row is none, sets what is unknown or out of range, or two points are equal.
    """
    listed = list(_swept(rows, f"{path}: {where}"))
    if not listed:
        raise InputError(f"{path}: {where}: must have at least one row, got []")
    count = sum(prod(map(len, sweeps.values())) for _, sweeps in listed)
    if count > MOST_POINTS:
        raise InputError(f"{path}: {where}: must be at most {MOST_POINTS:,} points, got {_power(count)}")
    points: list[Row] = []
    labels: list[str] = []
    for at, sweeps in listed:
        for values in product(*sweeps.values()):
            chosen = dict(zip(sweeps, values, strict=True))
            points.append(validate(model, {**base, **chosen}, path, f"{where}{at}"))
            labels.append(_label(plain, chosen, points[-1]))
    _check_unique(labels, f"{path}: {where}")
    return dict(zip(labels, points, strict=True))


def _swept(rows: object, where: str) -> Iterator[tuple[str, dict[str, list[object]]]]:
    """Every row's place below `where`, and the values that it gives each field."""
    for index, row in enumerate(rows if isinstance(rows, list) else [rows]):
        at = f".{index}" if isinstance(rows, list) else ""
        if not isinstance(row, dict):
            raise InputError(f"{where}{at}: must be a row of hyperparameters, got {row!r}")
        yield at, {field: sweep(field, value, f"{where}{at}") for field, value in row.items()}


def _power(count: int) -> str:
    return f"{count:,}" if count < 1_000_000 else f"about 10^{len(str(count)) - 1}"


def sweep(field: str, value: object, where: str) -> list[object]:
    """The values that a row gives a field: widths are a list already, so a sweep over them is a list of lists."""
    if not isinstance(value, list) or (field == "hidden" and not any(isinstance(item, list) for item in value)):
        return [value]
    if not value:
        raise InputError(f"{where}.{printable(field)}: a sweep needs at least one value, got []")
    return value


def _label(variant: str, chosen: Mapping[str, object], point: Point) -> str:
    """`dropout=0.5,max_norm=3`: what the row sets, or the variant's name where it sets nothing.

    One that would be too long for the name of a file ends in a digest of all that it lacks.
    """
    values = {field: getattr(point, field) for field in chosen if field != "replicate"}
    text = ",".join(f"{field}={word(value)}" for field, value in values.items()) or variant
    text = f"{text},replicate={point.replicate}" if point.replicate else text
    if len(text) <= LONGEST_LABEL:
        return text
    ending = f"~{sha256(text.encode()).hexdigest()[:_DIGITS]}"
    return text[: LONGEST_LABEL - len(ending)] + ending


def _check_unique(labels: list[str], where: str) -> None:
    for label, count in Counter(labels).items():
        if count > 1:
            raise InputError(f"{where}: every point must differ, got {label} twice")
