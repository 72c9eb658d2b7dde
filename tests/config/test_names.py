"""Names in params.yaml and claims.yaml become paths: one rule for all of them, and nothing outside is touched."""

from copy import deepcopy
from pathlib import Path

import pytest
from config.test_textbook import SMALL
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

from pipeline.config.fields import Name, is_name
from pipeline.config.params import load_params
from pipeline.config.textbook import load_textbook
from pipeline.core.errors import InputError
from pipeline.core.files import keep_only
from pipeline.core.paths import CLAIMS, PARAMS, measured_file
from pipeline.stages import textbook

ROOT = Path(__file__).parents[2]
REAL = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
LEDGER = YAML(typ="safe", pure=True).load(SMALL)
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
    for path in ("beside/sentinel", "project/data/task.safetensors", "project/claims/dropout/kept", "sentinel"):
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
def test_names_of_params(project, place, name):
    dump(renamed(REAL, place, name), PARAMS)
    refused(lambda: load_params(PARAMS), PARAMS, ".".join(place[:-1]), name)


DECLARED = [
    ("topics", "dropout"),
    ("topics", "dropout", "experiments", "rates"),
    ("topics", "dropout", "claims", "dropout.helps"),
    ("ledger", "datasets", "task"),
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", DECLARED, ids=".".join)
def test_names_of_claims(project, place, name):
    dump(renamed(LEDGER, place, name), CLAIMS)
    before = contents(project)
    refused(lambda: load_textbook(CLAIMS), CLAIMS, ".".join(place[:-1]), name)
    refused(lambda: textbook.claims("dropout", jobs=1), CLAIMS, ".".join(place[:-1]), name)
    refused(lambda: textbook.ledger(jobs=1), CLAIMS, ".".join(place[:-1]), name)
    assert contents(project) == before


@pytest.mark.parametrize("name", ["..", ".", ".a", "a.", "a..b", "a./b", "a" * 30 + "." + "b" * 30])
def test_ids_have_single_dots_between_names(project, name):
    place = ("topics", "dropout", "claims", "dropout.helps")
    dump(renamed(LEDGER, place, name), CLAIMS)
    refused(lambda: load_textbook(CLAIMS), CLAIMS, "topics.dropout.claims", name)


@pytest.mark.parametrize("folder", ["{beside}", "..", "../../beside", "."])
def test_a_topic_without_experiments_empties_no_folder(project, folder):
    name = folder.format(beside=project / "beside")
    topic = {**LEDGER["topics"]["dropout"], "experiments": {}}
    dump({**LEDGER, "topics": {name: topic}}, CLAIMS)
    before = contents(project)
    refused(lambda: textbook.claims(name, jobs=1), CLAIMS, "topics", name)
    with pytest.raises(ValueError, match="path must lie below"):  # and were the name let through, the files would not
        keep_only(measured_file(name, "", "").parent, [])
    assert contents(project) == before
