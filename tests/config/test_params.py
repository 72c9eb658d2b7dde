import re
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.config.dimensions import Choices, Range
from pipeline.config.params import Ensembles, Study, load_params, params_of
from pipeline.config.points import STRENGTHS, Network, Point, Regularizers, Train
from pipeline.config.search_space import LEARNING_RATE, Pruner, Sampler
from pipeline.core.errors import InputError
from pipeline.data.sources import SOURCES

SOURCE = Path(__file__).parents[2] / "params.yaml"
TEXT = SOURCE.read_text(encoding="utf-8")
REAL = YAML(typ="safe", pure=True).load(TEXT)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("config") / "params.yaml"


def write(path, content):
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(content, file)
    return path


def changed(place, value):
    """The real parameters with one value replaced, or a key added."""
    content = deepcopy(REAL)
    *outer, last = place
    inner = content
    for key in outer:
        inner = inner[key]
    inner[last] = value
    return content


def refusal(path, content=None):
    """What is said of a file, or of the values that it would hold: that is some 40 ms faster."""
    with pytest.raises(InputError) as caught:
        load_params(path) if content is None else params_of(content, path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


class TestTheRealFile:
    def test_loads(self):
        params = load_params(SOURCE)
        assert set(params.study.datasets) <= params.datasets.keys()
        assert params.variants["none"].points[0].replicate == 0

    def test_every_point_has_a_label_of_its_own(self):
        for variant in load_params(SOURCE).variants.values():
            assert len(set(variant.labels)) == len(variant.labels) == len(variant.points)

    def test_a_list_is_a_sweep(self):
        variants = load_params(SOURCE).variants
        assert [one.dropout for one in variants["dropout"].points] == REAL["variants"]["dropout"]["dropout"]
        assert len(variants["augmentation"].points) == len(REAL["variants"]["augmentation"])
        assert {one.epochs for variant in variants.values() for one in variant.points} == {REAL["train"]["epochs"]}

    def test_is_frozen(self):
        params = load_params(SOURCE)
        with pytest.raises(ValueError, match="frozen"):
            params.train.epochs = 3


@pytest.mark.parametrize(
    "model",
    [
        *(Network, Train, Regularizers, Point, Study, Ensembles),
        *SOURCES.values(),
        *(Range, Choices, Sampler, Pruner),
    ],
)
def test_every_field_is_described(model):
    missing = [name for name, field in model.model_fields.items() if name != "kind" and not field.description]
    assert not missing
    assert all(field.description.endswith(".") for name, field in model.model_fields.items() if name != "kind")


def test_every_strength_can_be_searched():
    searched = {name for name, off in Regularizers() if type(off) is float}
    assert searched == set(STRENGTHS)
    space = load_params(SOURCE).search.space
    assert {name for name, each in space.items() if isinstance(each, Range)} <= {LEARNING_RATE, *searched}
    assert {name for name, each in space.items() if isinstance(each, Choices)} == {"batch_norm", "early_stopping"}


def test_no_regularizer_is_on_by_default():
    assert {field.default for field in Regularizers.model_fields.values()} == {0, "none"}


@pytest.mark.parametrize(
    ("place", "value", "key", "received"),
    [
        (("train", "epoch"), 60, "train.epoch", "60"),
        (("colour",), "blue", "colour", "'blue'"),
        (("datasets", "mixture", "rows"), 3, "datasets.mixture.rows", "3"),
        (("datasets", "mixture", "kind"), "blob", "datasets.mixture", "'blob'"),
        (("variants", "dropout", "droput"), 0.5, "variants.dropout.droput", "0.5"),
        (("variants", "augmentation", 1, "cutmixx"), 0.5, "variants.augmentation.1.cutmixx", "0.5"),
        (("train", "epochs"), "sixty", "train.epochs", "'sixty'"),
        (("train", "epochs"), 60.5, "train.epochs", "60.5"),
        (("train", "epochs"), True, "train.epochs", "True"),
        (("train", "epochs"), None, "train.epochs", "None"),
        (("train", "epochs"), 0, "train.epochs", "0"),
        (("train", "batch_size"), 0, "train.batch_size", "0"),
        (("train", "learning_rate"), 0, "train.learning_rate", "0"),
        (("train", "learning_rate"), float("inf"), "train.learning_rate", "inf"),
        (("train", "learning_rate"), float("nan"), "train.learning_rate", "nan"),
        (("train", "optimizer"), "adamw", "train.optimizer", "'adamw'"),
        (("train", "momentum"), 1, "train.momentum", "1"),
        (("network", "hidden"), [8, 0], "network.hidden.1", "0"),
        (("network", "hidden"), 128, "network.hidden", "128"),
        (("variants", "dropout"), {"dropout": 1.0}, "variants.dropout.dropout", "1.0"),
        (("variants", "dropout"), {"dropout": [0.1, -0.1]}, "variants.dropout.dropout", "-0.1"),
        (("variants", "dropout"), {"input_dropout": 1}, "variants.dropout.input_dropout", "1"),
        (("variants", "l2"), {"l2": -1}, "variants.l2.l2", "-1"),
        (("variants", "weight_decay"), {"weight_decay": -0.1}, "variants.weight_decay.weight_decay", "-0.1"),
        (("variants", "weight_decay"), {"weight_decay": 1e6}, "variants.weight_decay: learning_rate", "100"),
        (("variants", "label_smoothing"), {"label_smoothing": 1.0}, "variants.label_smoothing.label_smoothing", "1.0"),
        (("variants", "label_smoothing"), {"label_smoothing": float("nan")}, "label_smoothing.label_smoothing", "nan"),
        (("variants", "early_stopping"), {"early_stopping": "acc"}, "early_stopping.early_stopping", "'acc'"),
        (("variants", "early_stopping"), {"patience": -1}, "variants.early_stopping.patience", "-1"),
        (("variants", "batch_norm"), {"batch_norm": 1}, "variants.batch_norm.batch_norm", "1"),
        (("variants", "dropout"), {"dropout": []}, "variants.dropout.dropout", "[]"),
        (("variants", "dropout"), {"dropout": [0.1, 0.1]}, "variants.dropout", "dropout=0.1"),
        (("variants", "dropout"), [{"dropout": 0.1}, {"dropout": 0.1}], "variants.dropout", "dropout=0.1"),
        (("variants", "dropout"), 0.5, "variants.dropout", "0.5"),
        (("variants", "dropout"), [0.5], "variants.dropout.0", "0.5"),
        (("variants", "a-b"), {}, "variants", "'a-b'"),
        (("variants", 3), {}, "variants", "3"),
        (("study", "datasets"), ["mixtures"], "study.datasets", "'mixtures'"),
        (("study", "datasets"), ["mixture", "mixture"], "study.datasets", "['mixture', 'mixture']"),
        (("study", "datasets"), [], "study.datasets", "()"),
        (("study", "datasets"), "mixture", "study.datasets", "'mixture'"),
        (("study", "seeds"), 1, "study.seeds", "1"),
        (("study", "seeds"), "30", "study.seeds", "'30'"),
        (("study", "ensembles"), None, "study.ensembles", "None"),
        (("study", "ensembles", "members"), 0, "study.ensembles.members", "0"),
        (("study", "ensembles", "splits"), 1, "study.ensembles.splits", "1"),
        (("study", "ensembles", "splits"), 31, "study.ensembles.splits: must be study.seeds (30) or fewer", "31"),
        (("datasets", "mixture", "label_noise"), 1.0, "datasets.mixture.label_noise", "1.0"),
        (("datasets", "mixture", "classes"), 1, "datasets.mixture.classes", "1"),
        (("datasets", "digits", "train"), 0, "datasets.digits.train", "0"),
        (("datasets", "digits", "train"), 1.5, "datasets.digits.train", "1.5"),
        (("datasets", "digits", "name"), "mnist", "datasets.digits.name", "'mnist'"),
        (("network",), [1], "network", "[1]"),
        (("train",), "fast", "train", "'fast'"),
        (("variants",), [], "variants", "[]"),
        (("datasets",), ["mixture"], "datasets", "['mixture']"),
        (("study",), [1], "study", "[1]"),
        (("search",), [1], "search", "[1]"),
        (("search", "trails"), 3, "search.trails", "3"),
        (("search", "trials"), 0, "search.trials", "0"),
        (("search", "trials"), 100_001, "search.trials", "100001"),
        (("search", "batch"), 0, "search.batch", "0"),
        (("search", "batch"), 1001, "search.batch", "1001"),
        (("search", "seeds"), 0, "search.seeds", "0"),
        (("train", "learning_rate"), [], "train.learning_rate", "()"),
        (("train", "learning_rate"), [0.1, 0.1], "train.learning_rate", "0.1"),
        (("train", "learning_rate"), [0.1, 0.0], "train.learning_rate.1", "0.0"),
        (("search", "objectives"), [], "search.objectives", "()"),
        (("search", "objectives"), ["nll", "nll_calibrated", "calibration"], "search.objectives", "'calibration'"),
        (("search", "objectives"), ["accuracy"], "search.objectives.0", "'accuracy'"),
        (("search", "objectives"), ["nll", "nll"], "search: objectives must differ", "['nll', 'nll']"),
        (("search", "objectives"), ["nll", "calibration"], "search: pruner.kind must be none", "halving"),
        (("search", "sampler", "kind"), "cmaes", "search.sampler.kind", "'cmaes'"),
        (("search", "sampler", "startup"), 0, "search.sampler.startup", "0"),
        (("search", "sampler", "seed"), -1, "search.sampler.seed", "-1"),
        (("search", "sampler", "seed"), 2**32, "search.sampler.seed", "4294967296"),
        (("search", "pruner", "kind"), "hyper", "search.pruner.kind", "'hyper'"),
        (("search", "pruner", "first"), 0, "search.pruner.first", "0"),
        (("search", "pruner", "factor"), 1, "search.pruner.factor", "1"),
        (("search", "space"), {}, "search.space", ""),
        (("search", "space", "patience"), {"low": 0.0, "high": 1.0}, "search.space.patience: should be", "0.0"),
        (("search", "space", "hidden"), {"choices": ["a", "b"]}, "search.space: must name strengths", "hidden"),
        (("search", "space", "batch_norm", "choices"), [False, 1], "search.space.batch_norm.choices.1: must", "got 1"),
        (("search", "space", "batch_norm", "low"), 0.0, "search.space.batch_norm.low: unknown key", "0.0"),
        (("search", "portfolio", 0, "batch_norm"), "yes", "search: portfolio.batch_norm must be one of", "got yes"),
        (("search", "stacked"), 1, "search: stacked must be 0, or 2 and more", "got 1"),
        (("search", "space", "droput"), {"low": 0.0, "high": 1.0}, "search.space: must name strengths", "droput"),
        (("search", "space", "a\nb"), {"low": 0.0, "high": 1.0}, "search.space: names are 1 to 60 letters", "a\\nb"),
        (("search", "space", "learning_rate", "off"), 0.1, "search: space.learning_rate.off must be 0", ""),
        (("search", "space", "dropout", "high"), 1.0, "search.space.dropout", "1.0"),
        (("search", "space", "dropout", "low"), 0.7, "search.space.dropout: low must be below high", "0.7 and 0.6"),
        (("search", "space", "dropout", "off"), 1.0, "search.space.dropout.off", "1.0"),
        (("search", "space", "dropout", "log"), True, "search.space.dropout: low must be above 0", "got 0"),
        (("search", "space", "dropout", "weak"), "middle", "search.space.dropout.weak", "'middle'"),
        (("search", "space", "dropout", "low"), -0.1, "search.space.dropout.low", "-0.1"),
        (("search", "space", "noise", "high"), float("inf"), "search.space.noise.high", "inf"),
        (("search", "space", "noise", "high"), float("nan"), "search.space.noise.high", "nan"),
        (("search", "space", "weight_decay", "high"), 100.0, "search.space: learning_rate * weight_decay", "got 3"),
        (("search", "arms"), {}, "search.arms", ""),
        (("search", "arms", "none"), ["dropout"], "search: arms must hold none", ""),
        (("search", "arms", "dropout"), "dropout", "search.arms.dropout", "'dropout'"),
        (("search", "arms", "dropout"), ["r_drop"], "search: arms.dropout must name strengths of space", "'r_drop'"),
        (("search", "arms", "dropout"), ["learning_rate"], "search: arms.dropout", "'learning_rate'"),
        (("search", "arms", "dropout"), ["dropout"] * 2, "search: arms.dropout must name each", "'dropout', 'dropout'"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_one_line_with_key_and_value(path, place, value, key, received):
    message = refusal(path, changed(place, value))
    assert key in message
    assert received in message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "early_stopping",
            {"low": 0.0, "high": 1.0},
            ".early_stopping: should be 'none', 'nll' or 'nll_calibrated', got",
        ),
        (
            "early_stopping",
            {"choices": ["none", "ece"]},
            ".early_stopping: should be 'none', 'nll' or 'nll_calibrated', ",
        ),
        ("early_stopping", {"choices": ["none", "ece"]}, "got 'ece'"),
        (
            "early_stopping",
            {"choices": ["nll", "none"]},
            ".early_stopping: the first choice must be what is off, none, ",
        ),
        ("early_stopping", {"choices": ["nll", "none"]}, "got nll"),
        ("batch_norm", {"choices": [True, False]}, ": the first choice must be what is off, false, got true"),
        ("batch_norm", {"choices": [False, "yes"]}, ".batch_norm: should be a valid boolean, got 'yes'"),
        ("batch_norm", {"choices": [False]}, ".batch_norm.choices: Tuple should have at least 2 items"),
        ("batch_norm", {"low": 0.0, "high": 1.0}, ".batch_norm: should be a valid boolean, got 0.0"),
        ("dropout", {"choices": [False, True]}, ".dropout: should be a valid number, got False"),
        ("shared_dropout", {"choices": [False, True]}, ": shared_dropout needs architecture conv or gru, got mlp"),
    ],
)
def test_choices_must_be_what_a_point_can_have(path, name, value, message):
    content = changed(("search", "space", name), value)
    del content["search"]["portfolio"]
    refused = refusal(path, content)
    assert refused.startswith("search.space")
    assert message in refused


@pytest.mark.parametrize(
    "place",
    [
        *(("train",), ("study",), ("network",), ("variants",), ("datasets",), ("variants", "none")),
        *(("train", "epochs"), ("study", "seeds"), ("study", "ensembles"), ("network", "hidden")),
        *(("datasets", "mixture", "classes"), ("datasets", "digits", "name")),
        *(
            ("search",),
            *(("search", key) for key in REAL["search"] if key != "portfolio"),
            ("search", "sampler", "kind"),
        ),
        *(("search", "pruner", "kind"), ("search", "space", "dropout", "low"), ("search", "space", "dropout", "high")),
    ],
    ids=".".join,
)
def test_a_missing_key_is_named(path, place):
    content = deepcopy(REAL)
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    assert ".".join(place) in refusal(path, content)


def test_the_first_point_without_regularization_is_the_one_compared_with(path):
    message = refusal(write(path, changed(("variants", "none", "replicate"), [1, 0])))
    assert "variants.none" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "must be a mapping of keys"),
        (b"- 1\n- 2\n", "must be a mapping of keys"),
        (b"text", "must be a mapping of keys"),
        (b"\xff\xfe\x00", "UTF-8"),
        (TEXT.encode("utf-16"), "UTF-8"),
        (TEXT.encode().replace(b"digits", "dïgits".encode("latin-1")), "UTF-8"),
        (b"train: {epochs: 1", "not valid YAML"),
        (b"a: b: c", "not valid YAML"),
        (b"\tx: 1", "not valid YAML"),
        (b"x: \x00", "not valid YAML"),
        (b"x: !python/object:os.system ls", "not valid YAML"),
        (b"x: *nothing", "not valid YAML"),
        (TEXT.replace("  epochs: 60", "  epochs: 60\n  epochs: 70").encode(), "epochs"),
        (TEXT.encode() + b"\ntrain: {}\n", "train"),
        (TEXT.encode() + b"\n---\nother: 1\n", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_parameters_is_one_line(path, content, words):
    path.write_bytes(content)
    assert words in refusal(path)


@pytest.mark.parametrize("words", ["2026-99-99", "9" * 5000, "!!int x", "!!float x", "!!bool x", "[" * 1000])
def test_a_value_that_yaml_cannot_construct_is_one_line(path, words):
    path.write_text(TEXT.replace("epochs: 60", f"epochs: {words}"))
    refusal(path)


def test_a_missing_file_is_one_line(tmp_path):
    assert "no such file" in refusal(tmp_path / "params.yaml")


def test_a_folder_is_one_line(tmp_path):
    refusal(tmp_path)


@pytest.mark.parametrize("name", ["a\nb", "../b", "a b", ""])
def test_a_data_set_has_a_plain_name(path, name):
    """Names become parts of file names."""
    content = changed(("datasets", name), REAL["datasets"]["iris"])
    content["study"]["datasets"] = [name]
    assert "datasets" in refusal(write(path, content))


def test_an_arm_without_a_base_is_missing(path):
    content = deepcopy(REAL)
    del content["search"]["space"]["learning_rate"]
    assert "search: space must hold learning_rate" in refusal(write(path, content))
    content = deepcopy(REAL)
    del content["search"]["arms"]["none"]
    assert "search: arms must hold none" in refusal(write(path, content))


def test_further_networks_have_seeds_that_nothing_else_has(path):
    content = changed(("study", "seeds"), 10)
    content["study"]["ensembles"] = {"members": 3, "splits": 4}
    params = load_params(write(path, content))
    seeds = params.ensemble_seeds
    assert min(seeds) == params.tuning_seeds.stop
    assert list(seeds.values()) == [0, 1, 2, 3] * 2
    content["study"]["ensembles"]["members"] = 1
    assert load_params(write(path, content)).ensemble_seeds == {}


def test_two_objectives_are_searched_without_a_pruner(path):
    content = changed(("search", "objectives"), ["nll", "calibration"])
    content["search"]["pruner"]["kind"] = "none"
    assert load_params(write(path, content)).search.objectives == ("nll", "calibration")


def test_decay_may_shrink_weights_to_zero_and_no_further(path):
    train = {"learning_rate": 0.5, "weight_decay": 2.0}
    assert load_params(write(path, changed(("variants", "l2"), train))).variants["l2"].points[0].weight_decay == 2
    refusal(write(path, changed(("variants", "l2"), {**train, "weight_decay": 2.001})))


def test_a_variant_has_points(path):
    for name in ("none", "dropout"):
        assert f"variants.{name}" in refusal(write(path, changed(("variants", name), [])))


def test_a_key_with_a_line_break_is_still_one_line(path):
    refusal(write(path, changed(("train", "a\nb"), 1)))


def test_every_point_may_take_every_learning_rate_but_one_that_has_its_own(path):
    content = changed(("variants", "own"), {"learning_rate": 0.02})
    content["train"]["learning_rate"] = [0.1, 0.01]
    variants = load_params(write(path, content)).variants
    assert [[one.learning_rate for one in each] for each in variants["dropout"].candidates] == [[0.1, 0.01]] * 4
    assert [[one.learning_rate for one in each] for each in variants["own"].candidates] == [[0.02]]


def with_rate(text):
    """The real file with this learning rate."""
    return re.sub(r"(?m)^  learning_rate: \[.*\].*$", f"  learning_rate: {text}", TEXT)


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 0.001), ("1E-3", 0.001), ("1", 1.0), (".5", 0.5), ("3.0e-4", 3e-4)]
)
def test_numbers_as_people_write_them(path, text, value):
    path.write_text(with_rate(text))
    (rate,) = load_params(path).train.learning_rate
    assert rate == value
    assert type(rate) is float


def test_dvc_reads_the_same_numbers(path):
    path.write_text(with_rate("1e-3"))
    from dvc.utils.serialize import load_yaml  # noqa: PLC0415

    assert load_yaml(str(path))["train"]["learning_rate"] == load_params(path).train.learning_rate[0]


def test_widths_are_one_value_and_a_list_of_widths_a_sweep(path):
    content = changed(("variants", "none", "hidden"), [8, 4])
    content["variants"]["dropout"] = {"hidden": [[8], [4, 4], []]}
    variants = load_params(write(path, content)).variants
    assert {one.hidden for one in variants["none"].points} == {(8, 4)}
    assert [one.hidden for one in variants["dropout"].points] == [(8,), (4, 4), ()]


def test_rows_and_sweeps_multiply(path):
    content = changed(("variants", "grid"), {"dropout": [0.1, 0.2], "l2": [0, 1, 2], "epochs": 3})
    grid = load_params(write(path, content)).variants["grid"]
    assert [(one.dropout, one.l2) for one in grid.points] == [(d, p) for d in (0.1, 0.2) for p in (0, 1, 2)]
    assert set(grid.labels[0].split(",")) == {"dropout=0.1", "l2=0", "epochs=3"}


def places(content, at=()):
    """Where every value of a nested file is."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield (*at, key)
        if isinstance(value, dict | list):
            yield from places(value, (*at, key))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3),
    max_leaves=5,
)


class TestAnyJunk:
    """Either it loads, or there is one line; never another exception."""

    def attempt(self, path):
        message = f"{path}: "
        try:
            load_params(path)
        except InputError as error:
            message = str(error)
        assert message.startswith(f"{path}: ")
        assert len(message.splitlines()) == 1

    @pytest.mark.slow
    @settings(max_examples=80, deadline=None)
    @given(st.sampled_from(list(places(REAL))), JUNK)
    def test_in_place_of_a_value(self, path, place, junk):
        self.attempt(self.written(path, changed(place, junk)))

    @pytest.mark.slow
    @settings(max_examples=60, deadline=None)
    @given(
        st.sampled_from([p for p in places(REAL) if not isinstance(p[-1], int)]),
        st.integers() | st.text(max_size=3),
        JUNK,
    )
    @example(("variants", "none", "replicate"), "\r", [])
    def test_under_another_key(self, path, place, key, junk):
        self.attempt(self.written(path, changed((*place[:-1], key), junk)))

    @pytest.mark.slow
    @settings(max_examples=80, deadline=None)
    @given(st.integers(0, len(TEXT)), st.integers(0, 12), st.text("[]{}:,-'\"#&*!|>%@?\n\t 0aé", max_size=4))
    def test_as_a_slip_of_the_pen(self, path, start, length, typed):
        path.write_text(TEXT[:start] + typed + TEXT[start + length :], encoding="utf-8")
        self.attempt(path)

    def written(self, path, content):
        try:
            return write(path, content)
        except Exception:  # not everything can be written as YAML
            path.write_text("")
            return path
