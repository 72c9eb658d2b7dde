"""Names in params.yaml and the textbook's files become paths: one rule for all, and nothing outside is touched."""

from copy import deepcopy
from pathlib import Path

import pytest
from config.test_textbook import SHARED, SMALL, loaded, write_small
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

from pipeline.config.fields import Name, is_name
from pipeline.config.params import load_params, params_of
from pipeline.config.textbook import load_textbook
from pipeline.core.errors import InputError
from pipeline.core.paths import NO_DATASET, PARAMS, TEXTBOOK, topic_file
from pipeline.stages.ledger import ledger
from pipeline.stages.topic import topic

ROOT = Path(__file__).parents[2]
REAL = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
TOPIC = YAML(typ="safe", pure=True).load(SMALL)
TEXTBOOK_FILE = YAML(typ="safe", pure=True).load(SHARED)
HOSTILE = ["/tmp/x", "..", "../../../x", "../beside", "a/b", "", "a" * 61, "a b", "ä", ".", "a\n", "a\x00", "a-b", 1]
RULE = "1 to 60 letters, digits and underscores"


@pytest.mark.parametrize("name", ["a", "_", "weight_decay", "Wine2", "0", "a" * 60])
def test_what_a_name_is(name):
    assert is_name(name)
    assert TypeAdapter(Name).validate_python(name) == name


@pytest.mark.parametrize("name", [*HOSTILE, "a.b", "a+b", None, ["a"]])
def test_what_no_name_is(name):
    assert not is_name(name)
    with pytest.raises(ValidationError, match=RULE):
        TypeAdapter(Name).validate_python(name)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in a folder with others beside it, which hold files; it is the working directory."""
    for path in ("beside/sentinel", "project/data/task.safetensors", "project/claims/dropout.json", "sentinel"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"kept")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


def contents(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def dump(content, path):
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(content, file)


def renamed(content, place, new):
    """A copy in which the key at the end of a place has another name."""
    content = deepcopy(content)
    *outer, last = place
    section = content
    for key in outer:
        section = section[key]
    section[new] = section.pop(last)
    return content


def refused(read, path, section, name):
    """It ends in one line that names file, key path, rule and value."""
    with pytest.raises(InputError) as caught:
        read()
    message = str(caught.value)
    assert message.startswith(f"{path}: {section}: ")
    assert RULE in message
    assert f"got {name!r}" in message
    assert len(message.splitlines()) == 1


PLACES = [
    ("datasets", "mixture"),
    ("variants", "dropout"),
    ("search", "space", "noise"),
    ("search", "arms", "dropout"),
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_names_of_params(place, name):
    refused(lambda: params_of(renamed(REAL, place, name), PARAMS), PARAMS, ".".join(place[:-1]), name)


@pytest.mark.parametrize("name", NO_DATASET)
def test_folders_of_reports_name_no_data_set(project, name):
    dump(renamed(REAL, ("datasets", "mixture"), name), PARAMS)
    with pytest.raises(InputError, match=f"{PARAMS}: datasets: .* are other files of reports/, got '{name}'"):
        load_params(PARAMS)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", [("experiments", "rates"), ("claims", "dropout.helps")], ids=".".join)
def test_names_of_a_topic(project, place, name):
    write_small(Path())
    file = topic_file("dropout")
    dump(renamed(TOPIC, place, name), file)
    before = contents(project)
    refused(lambda: loaded(Path()), file, place[0], name)
    refused(lambda: topic("dropout", jobs=1), file, place[0], name)
    assert contents(project) == before


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("section", ["topics", "datasets"])
def test_names_that_topics_share(project, section, name):
    write_small(Path())
    changed = {**TEXTBOOK_FILE, "topics": [name]} if section == "topics" else None
    dump(changed or renamed(TEXTBOOK_FILE, ("datasets", "task"), name), TEXTBOOK)
    before = contents(project)
    refused(lambda: load_textbook(TEXTBOOK), TEXTBOOK, section, name)
    refused(lambda: topic("dropout", jobs=1), TEXTBOOK, section, name)
    refused(lambda: ledger(jobs=1), TEXTBOOK, section, name)
    assert contents(project) == before


@pytest.mark.parametrize("name", ["..", ".", ".a", "a.", "a..b", "a./b", "a" * 30 + "." + "b" * 30])
def test_ids_have_single_dots_between_names(project, name):
    write_small(Path())
    dump(renamed(TOPIC, ("claims", "dropout.helps"), name), topic_file("dropout"))
    refused(lambda: loaded(Path()), topic_file("dropout"), "claims", name)


@pytest.mark.parametrize("folder", ["{beside}", "..", "../../beside", "."])
def test_a_topic_that_is_not_listed_reads_and_writes_nothing(project, folder):
    write_small(Path())
    before = contents(project)
    with pytest.raises(InputError, match="topics: must be one of dropout, got"):
        topic(folder.format(beside=project / "beside"), jobs=1)
    assert contents(project) == before
