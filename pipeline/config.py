"""Every parameter of the laboratory: typed, frozen and strict.

`params.yaml` is read once by `load`; a mistake in it ends in an `InputError` that names the key path and the
value. A variant expands to points, and a point is one complete row of hyperparameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, model_validator

from pipeline.errors import InputError
from pipeline.fields import Names, Probability, Rows, Strength, Strict, Widths
from pipeline.spaces import LEARNING_RATE, Dimension, Pruner, Sampler, Search


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


class Network(Strict):
    """The network that is trained."""

    architecture: Literal["mlp", "conv", "gru"] = Field(
        default="mlp",
        description="Multilayer perceptron; convolutions, or a recurrent network that reads rows, of a square image.",
    )
    hidden: Widths = Field(
        description="Width of each hidden layer; channels of each convolution; a gru has one, a multiple of 16."
    )


class Train(Strict):
    """How a network is fitted."""

    epochs: int = Field(ge=1, le=1_000_000, description="Passes over the training rows.")
    batch_size: int = Field(ge=1, description="Rows of a step; the last of an epoch may have fewer.")
    optimizer: Literal["adam", "sgd"] = Field(description="Adam (AdamW where weight_decay > 0) or SGD.")
    learning_rate: float = Field(gt=0, allow_inf_nan=False, description="Step size at the start.")
    schedule: Literal["constant", "cosine"] = Field(description="Learning rate over time; cosine ends at zero.")
    momentum: Probability = Field(description="Momentum of SGD; Adam does not use it.")


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
    early_stopping: Literal["none", "nll", "nll_ts"] = Field(
        default="none",
        description="Keep the epoch with the best validation NLL, or the best after temperature scaling.",
    )
    patience: int = Field(
        default=0, ge=0, description="Epochs without a better one after which early stopping ends; 0 never ends."
    )
    batch_norm: bool = Field(default=False, description="Batch normalization before each ReLU.")


class Point(Network, Train, Regularizers):
    """One complete row of hyperparameters; in params.yaml a list value is a sweep."""

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
            raise ValueError(f"patience needs early_stopping nll or nll_ts, got patience {self.patience}")
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
    """A named family of points."""

    name: str
    points: tuple[Point, ...]
    labels: tuple[str, ...] = Field(description="A short name for each point, unique within the variant.")

    @property
    def pairs(self) -> Iterator[tuple[str, Point]]:
        """Every point with its label."""
        return zip(self.labels, self.points, strict=True)


class Study(Strict):
    """What is run."""

    datasets: Names = Field(min_length=1, description="Names under `datasets` that the study trains on.")
    seeds: int = Field(ge=2, le=10_000, description="Paired seeds of every point.")


class Params(Strict):
    """All of params.yaml."""

    datasets: dict[str, DatasetParams] = Field(min_length=1)
    network: Network
    train: Train
    variants: dict[str, Variant]
    search: Search
    study: Study


Model = TypeVar("Model", bound=BaseModel)
Row = TypeVar("Row", bound="Point")
Named = TypeVar("Named")


def load(path: Path) -> Params:
    """Read and check `params.yaml`.

    Raises:
        InputError: the file cannot be read, or a key is unknown, missing, of the wrong type or out of range.
    """
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise InputError(f"{path}: must hold the sections {', '.join(Params.model_fields)}, got {raw!r}")
    for section in ("network", "train"):
        validate(Network if section == "network" else Train, raw.get(section), path, section)
    _section(raw, "datasets", path)
    base = {**raw["network"], **raw["train"]}
    variants = _section(raw, "variants", path)
    expanded = {name: _expand(name, rows, base, path) for name, rows in variants.items()}
    params = validate(Params, {**raw, "variants": expanded}, path, "")
    _check_study(params, path)
    _check_search(params, path)
    return params


def look_up(name: str, names: Mapping[str, Named], where: str) -> Named:
    """What a name that the user gave stands for.

    Raises:
        InputError: there is no such name.
    """
    if name not in names:
        raise InputError(f"{where}: must be one of {', '.join(names)}, got {name!r}")
    return names[name]


def read_yaml(path: Path) -> Any:
    """Plain values from a YAML 1.2 file.

    Raises:
        InputError: the file cannot be read, or is not valid YAML.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415  (YAML 1.2, as DVC reads it: 1e-3 is a number, off is a word)
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 text, byte {error.start} is not") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise InputError(f"{path}: not valid YAML: nested too deeply") from None
    except (YAMLError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def _section(raw: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = raw.get(name)
    if not isinstance(section, dict) or not section:
        raise InputError(f"{path}: {name}: must be a mapping of names, got {section!r}")
    for key in section:
        if not (isinstance(key, str) and key.replace("_", "").isalnum() and key.isascii()):
            raise InputError(f"{path}: {name}: names are letters, digits and underscores, got {key!r}")
    return section


def _expand(name: str, rows: Any, base: dict[str, Any], path: Path) -> Variant:
    """A row or a list of rows, in which every list value is a sweep, becomes points."""
    points = expand(Point, rows, base, path, f"variants.{name}", name)
    return Variant(name=name, points=tuple(points.values()), labels=tuple(points))


def expand(model: type[Row], rows: Any, base: dict[str, Any], path: Path, where: str, plain: str) -> dict[str, Row]:
    """Points of a row or a list of rows, in which every list value is a sweep, by their labels.

    `plain` is the label of a point for which a row sets nothing.

    Raises:
        InputError: a row is none, sets what is unknown or out of range, or two points are equal.
    """
    points: list[Row] = []
    labels: list[str] = []
    for index, row in enumerate(rows if isinstance(rows, list) else [rows]):
        at = f"{where}.{index}" if isinstance(rows, list) else where
        if not isinstance(row, dict):
            raise InputError(f"{path}: {at}: must be a row of hyperparameters, got {row!r}")
        for values in product(*(sweep(field, value, f"{path}: {at}") for field, value in row.items())):
            chosen = dict(zip(row, values, strict=True))
            points.append(validate(model, {**base, **chosen}, path, at))
            labels.append(_label(plain, chosen, points[-1]))
    if not points:
        raise InputError(f"{path}: {where}: must have at least one row, got []")
    _check_unique(labels, f"{path}: {where}")
    return dict(zip(labels, points, strict=True))


def sweep(field: str, value: Any, where: str) -> list[Any]:
    """The values that a row gives a field: widths are a list already, so a sweep over them is a list of lists."""
    if not isinstance(value, list) or (field == "hidden" and not any(isinstance(item, list) for item in value)):
        return [value]
    if not value:
        raise InputError(f"{where}.{_printable(field)}: a sweep needs at least one value, got []")
    return value


def _label(variant: str, chosen: dict[str, Any], point: Point) -> str:
    """`dropout=0.5,max_norm=3`: what the row sets, or the variant's name where it sets nothing."""
    values = {field: getattr(point, field) for field in chosen if field != "replicate"}
    text = ",".join(f"{field}={_word(value)}" for field, value in values.items()) or variant
    return f"{text},replicate={point.replicate}" if point.replicate else text


def _word(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(str(item) for item in value)
    return (
        str(value).lower() if isinstance(value, bool) else f"{value:.15g}" if isinstance(value, float) else str(value)
    )


def _check_unique(labels: list[str], where: str) -> None:
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"{where}: every point must differ, got {label} twice")


def _check_study(params: Params, path: Path) -> None:
    for name in params.study.datasets:
        if name not in params.datasets:
            known = ", ".join(params.datasets)
            raise InputError(f"{path}: study.datasets: must name a key of datasets ({known}), got {name!r}")
    if len(set(params.study.datasets)) < len(params.study.datasets):
        raise InputError(f"{path}: study.datasets: names must differ, got {list(params.study.datasets)}")
    _check_reference(params.variants, path)


def _check_search(params: Params, path: Path) -> None:
    """Every strength must be one of `Regularizers`, the ends of all ranges together a point, and seeds must suffice."""
    search, seeds = params.search, params.study.seeds
    known = [name for name, off in Regularizers() if type(off) is float]
    for name in search.space:
        if name not in (LEARNING_RATE, *known):
            raise InputError(f"{path}: search.space: must name strengths ({', '.join(known)}), got {_printable(name)}")
    base = {**params.network.model_dump(), **params.train.model_dump()}
    for end in ("low", "high"):
        ends = {name: getattr(dimension, end) for name, dimension in search.space.items()}
        validate(Point, {**base, **ends}, path, "search.space")
    if search.seeds > seeds:
        raise InputError(f"{path}: search.seeds: must be at most study.seeds ({seeds}), got {search.seeds}")


def _check_reference(variants: dict[str, Variant], path: Path) -> None:
    """All points are compared with the first of `none`, and a replicate of that one is the A/A check."""
    if "none" not in variants:
        raise InputError(f"{path}: variants.none: must be there: all other points are compared with it")
    reference = variants["none"].points[0]
    for field, off in {**Regularizers().model_dump(), "replicate": 0}.items():
        if (value := getattr(reference, field)) != off:
            raise InputError(f"{path}: variants.none.{field}: must be {off} in the first point, got {value}")
    for name, variant in variants.items():
        for point in variant.points:
            if point.replicate and point.model_copy(update={"replicate": 0}) != reference:
                raise InputError(f"{path}: variants.{name}.replicate: only the first point of none is repeated, got 1")


def validate(model: type[Model], raw: Any, path: Path, where: str) -> Model:
    """A section of a file, checked.

    Raises:
        InputError: a key is unknown, missing, of the wrong type or out of range.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error, where)}") from None


def _explain(error: ValidationError, where: str) -> str:
    """The first thing that is wrong, as one line: key path, requirement, value received."""
    mistakes = error.errors(include_url=False)
    first = next((mistake for mistake in mistakes if mistake["type"] == "extra_forbidden"), mistakes[0])
    loc = [_printable(part) for part in first["loc"]]
    if loc[:1] == ["datasets"]:
        del loc[2:3]  # the kind, which pydantic puts between a data set's name and its key
    place = ".".join([where, *loc] if where else loc)
    message = first["msg"].removeprefix("Value error, ").replace("Input should", "should")
    if first["type"].startswith("union_tag"):
        kind = first["input"].get("kind") if isinstance(first["input"], dict) else first["input"]
        return f"{place}.kind: must be one of {', '.join(KINDS)}, got {kind!r}"
    if first["type"] == "missing":
        return f"{place}: this key is missing"
    if first["type"] == "extra_forbidden":
        return f"{place}: unknown key (its value is {first['input']!r})"
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    got = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
    return f"{place}: {message}{got}{more}"


def _printable(part: object) -> str:
    """A part of a key path on one line, whatever characters it has."""
    return repr(part)[1:-1] if isinstance(part, str) else str(part)


def explain() -> str:
    """Every key that params.yaml may hold, by section: its type, whether it must be given, and what it means."""
    sections: list[tuple[str, type[BaseModel]]] = [
        (f"datasets.NAME, kind: {kind}", model) for kind, model in KINDS.items()
    ]
    sections += [("network", Network), ("train", Train), ("variants.NAME", Point)]
    sections += [("search", Search), ("search.space.NAME", Dimension), ("search.sampler", Sampler)]
    sections += [("search.pruner", Pruner), ("study", Study)]
    return "\n\n".join("\n".join([f"{title}: {model.__doc__}", *_keys(model)]) for title, model in sections)


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name == "kind" and model in KINDS.values():
            continue
        given = "required" if field.is_required() else f"default {field.default}"
        if model is Point and field.is_required():
            given = f"as in {'network' if name in Network.model_fields else 'train'}"
        choices = f" One of {', '.join(get_args(field.annotation))}." if get_origin(field.annotation) is Literal else ""
        yield f"  {name:<16} {field.description}{choices} ({given})"
