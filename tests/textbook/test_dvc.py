"""The textbook's pipeline in DVC: its dependencies on code, and nothing of the study's."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from test_architecture import watched

ROOT = Path(__file__).parents[2]
PIPELINE = YAML(typ="safe").load((ROOT / "textbook/dvc.yaml").read_text())
STAGES = PIPELINE["stages"]


@pytest.mark.usefixtures("imports_read_once")
@pytest.mark.parametrize("stage", ["topic", "map", "ledger"])
def test_dvc_depends_on_all_the_code_that_a_stage_runs(stage):
    deps = STAGES[stage]["deps"]
    assert {path for path in deps if path.startswith("pipeline/")} == watched(stage)
    assert "constraints.txt" in deps


def test_topics_are_those_of_the_textbook_and_each_depends_on_its_file():
    assert PIPELINE["vars"] == ["textbook.yaml:topics", "map.yaml:rows"]
    assert STAGES["topic"]["matrix"] == {"topic": "${topics}"}
    assert "textbook/${item.topic}.yaml" in STAGES["topic"]["deps"]


def test_a_new_table_of_the_user_runs_no_topic():
    assert all(stage["wdir"] == ".." for stage in STAGES.values())
    watched_files = str((STAGES["topic"]["deps"], STAGES["topic"]["params"]))
    assert not re.search(r"inputs|params\.yaml", watched_files)
