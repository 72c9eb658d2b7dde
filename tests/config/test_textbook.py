from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.config.claims import Cell, combinations_of, selected
from pipeline.config.textbook import load_textbook, load_topic
from pipeline.core.errors import InputError
from pipeline.core.paths import TEXTBOOK, topic_file

ROOT = Path(__file__).parents[2]
SHARED = """
topics: [dropout]
seeds: 3
recipe:
  {hidden: [8], epochs: 2, batch_size: 8, optimizer: adam, learning_rate: 0.01, schedule: constant, momentum: 0.9}
datasets:
  task:
    {kind: mixture, features: 4, classes: 2, components: 1, separation: 2.0, label_noise: 0.0,
     train: 32, validation: 16, test: 100}
"""
SMALL = """
experiments:
  rates: {datasets: [task], grid: {hidden: [[4], [8, 8]], dropout: [0.0, 0.5]}}
claims:
  dropout.helps:
    sentence: Dropout helps.
    source: here
    experiment: rates
    effects:
      - {says: it is better, metric: test/nll, of: {dropout: 0.5}, against: {dropout: 0}, each: [hidden],
         direction: lower, least: 0.01}
    shows: [{x: dropout, y: [test/nll], by: [hidden]}]
"""


def write_small(folder, shared=SHARED, topic=SMALL):
    """The small textbook's files in a project's folder; gives back the shared one and the topic's."""
    files = folder / TEXTBOOK, folder / topic_file("dropout")
    for file, text in zip(files, (shared, topic), strict=True):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return files


def loaded(folder):
    shared, topic = folder / TEXTBOOK, folder / topic_file("dropout")
    return load_topic(topic, load_textbook(shared))


def change(file, *path, value):
    """Replace a value of a file."""
    content = YAML(typ="safe").load(file.read_text())
    *inside, last = path
    place = content
    for key in inside:
        place = place[key]
    place[last] = value
    YAML(typ="safe").dump(content, file)


@pytest.fixture
def small(tmp_path):
    write_small(tmp_path)
    return loaded(tmp_path)


def test_a_grid_becomes_cells(small):
    cells = small.experiments["rates"].cells
    assert list(cells) == [
        "hidden=4,dropout=0",
        "hidden=4,dropout=0.5",
        "hidden=8x8,dropout=0",
        "hidden=8x8,dropout=0.5",
    ]
    assert cells["hidden=8x8,dropout=0.5"].hidden == (8, 8)


def test_a_cell_is_trained_as_its_point():
    cell = Cell(
        hidden=(8,), epochs=2, batch_size=8, optimizer="adam", learning_rate=0.01, schedule="constant", momentum=0.9,
        dropout=0.5, rows=16, label_noise=0.25,
    )  # fmt: skip
    assert cell.point.dropout == 0.5
    assert not hasattr(cell.point, "rows")


def test_selectors_are_unions_of_intersections(small):
    experiment = small.experiments["rates"]
    assert selected(experiment, [{}], "here") == [0, 1, 2, 3]
    assert selected(experiment, [{"dropout": (0.5,)}], "here") == [1, 3]
    assert selected(experiment, [{"dropout": (0, 0.5), "hidden": ((4,),)}], "here") == [0, 1]
    assert selected(experiment, [{"dropout": (0.5,)}, {"hidden": ((4,),)}], "here") == [0, 1, 3]
    assert selected(experiment, [{"dropout": (0.5,)}], "here", {"hidden": ((8, 8),)}) == [3]
    assert combinations_of(experiment, ("hidden",), "here") == [{"hidden": ((4,),)}, {"hidden": ((8, 8),)}]
    assert combinations_of(experiment, (), "here") == [{}]


RATES = ("experiments", "rates")
HELPS = ("claims", "dropout.helps")
EFFECT = (*HELPS, "effects", 0)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((*RATES, "datasets"), ["tusk"], "experiments.rates.datasets: must be one of task, got 'tusk'"),
        ((*RATES, "grid"), {"droput": 0.5}, "rates.grid.droput: unknown key (its value is 0.5)"),
        ((*RATES, "grid"), [], "rates.grid: must have at least one row, got []"),
        ((*RATES, "grid"), {"dropout": 1.5}, "rates.grid.dropout: should be less than 1, got 1.5"),
        ((*RATES, "recipe"), {"epochs": 0}, "rates.grid.epochs: should be greater than or equal to 1, got 0"),
        ((*EFFECT, "of"), {"dropout": 0.3}, "effects.0.of: must name a cell of the grid"),
        ((*EFFECT, "of"), {"dripout": 0.3}, "effects.0.of: must be one of dropout, input_dropout"),
        ((*EFFECT, "against"), {"dropout": 0.7}, "effects.0.against: must name a cell of the grid"),
        ((*EFFECT, "each"), ["width"], "effects.0.each: must be one of dropout, input_dropout"),
        ((*EFFECT, "datasets"), ["other"], "effects.0.datasets: must be one of task, got 'other'"),
        ((*EFFECT, "direction"), "up", "effects.0.direction: should be 'lower', 'higher' or 'same', got 'up'"),
        ((*EFFECT, "least"), -1.0, "effects.0.least: should be greater than or equal to 0, got -1.0"),
        ((*HELPS, "experiment"), "rotes", "dropout.helps.experiment: must be one of rates, got 'rotes'"),
        ((*HELPS, "experiment"), "", "effects and figures need an experiment, got none"),
        ((*HELPS, "effects"), [], "must have effects or checks, got neither"),
        ((*HELPS, "sentences"), "x", "dropout.helps.sentences: unknown key (its value is 'x')"),
        ((*HELPS, "shows", 0, "x"), "depth", "shows.0.x: must be one of epoch, input_noise"),
        (("claims",), {}, "claims: "),
        (("claims",), None, "claims: "),
        (("experiments",), [1], "experiments: must be a mapping of names, got [1]"),
        (("topics",), {}, "topics: unknown key"),
    ],
)
def test_mistakes_in_a_topic_are_one_line_that_names_the_place(tmp_path, path, value, message):
    _, file = write_small(tmp_path)
    change(file, *path, value=value)
    with pytest.raises(InputError) as caught:
        loaded(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("seeds",), 2, "seeds: should be greater than or equal to 3, got 2"),
        (("recipe",), {"hidden": [8]}, "recipe.epochs: this key is missing"),
        (("datasets", "task", "kind"), "mix", "datasets.task.kind: must be one of mixture, noise"),
        (("claims",), {}, "claims: unknown key"),
        (("topics",), [], "topics: "),
        (("topics",), None, "topics: "),
        (
            ("topics",),
            ["dropout", "dropout"],
            "topics: must be different names, none of them textbook and map and dvc, got",
        ),
        (("topics",), ["dvc"], "topics: must be different names, none of them textbook and map and dvc, got 'dvc'"),
    ],
)
def test_mistakes_in_what_topics_share_are_one_line(tmp_path, path, value, message):
    file, _ = write_small(tmp_path)
    change(file, *path, value=value)
    with pytest.raises(InputError) as caught:
        load_textbook(file)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "text"])
def test_a_file_that_holds_no_sections(tmp_path, text):
    write_small(tmp_path, topic=text)
    with pytest.raises(InputError, match="must be a mapping"):
        loaded(tmp_path)
    write_small(tmp_path, shared=text)
    with pytest.raises(InputError, match="must be a mapping"):
        loaded(tmp_path)


LEDGER = {  # every row of the protocol's ledger
    "overfit": "memorize gap_grows bias_variance more_data simpler augmentation early_stopping regularization implicit",
    "dropout": "modes averaging rates input small_data batch_norm spatial recurrent output",
    "decay": "l2_sgd l2_adam small_weights smooth range",
    "smooth": "overconfident targets calibration robust regularizes",
    "combine": "best on_off",
}


@pytest.fixture(scope="module")
def topics():
    textbook = load_textbook(ROOT / TEXTBOOK)
    return {name: load_topic(ROOT / topic_file(name), textbook) for name in textbook.topics}


def test_every_sentence_of_the_textbook_is_declared(topics):
    ids = [name for topic in topics.values() for name in topic.claims]
    assert {f"{family}.{name}" for family, names in LEDGER.items() for name in names.split()} <= set(ids)
    assert len(set(ids)) == len(ids)
    assert load_textbook(ROOT / TEXTBOOK).seeds >= 30


def test_every_file_of_claims_is_a_topic(topics):
    files = {path.stem for path in (ROOT / TEXTBOOK).parent.glob("*.yaml")} - {"textbook", "map", "dvc"}
    assert files == set(topics)


def test_sentences_about_data_are_decided_on_two_data_sets_or_more(topics):
    single = {"overfit.memorize", "overfit.bias_variance", "dropout.spatial", "dropout.recurrent"}
    for topic in topics.values():
        for name, claim in topic.claims.items():
            used = {
                d
                for e in claim.effects
                for d in e.datasets or topic.experiments[e.experiment or claim.experiment].datasets
            }
            assert not used or len(used) >= 2 or name in single
