"""DVC's dependencies on code, and the README's map of the folders."""

import re
import tomllib
from pathlib import Path

import pytest
from project import PIPELINES
from ruamel.yaml import YAML

from pipeline.core.fingerprint import import_closure, module_file

ROOT = Path(__file__).parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT / "pipeline").with_suffix("").parts): path
    for path in ROOT.glob("pipeline/**/*.py")
    if path.stem not in ("__init__", "__main__")
}
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
UNRELATED = (
    "core.durations",
    "core.errors",
    "core.progress",
    "tracking",
)  # they carry no number: messages, and what MLflow is told


def folder_of(module: str) -> str:
    return module.rpartition(".")[0]


def watched(stage: str) -> set[str]:
    """What DVC should watch of the code that a stage runs: whole folders where it runs half or more, else modules."""
    code = {name for name in import_closure("stages." + stage.replace("-", "_")) if name in MODULES}
    code = {name for name in code if not name.startswith(UNRELATED)} | {"core.determinism"}
    sizes = {folder: len([name for name in MODULES if folder_of(name) == folder]) for folder in map(folder_of, code)}
    used = {folder: len([name for name in code if folder_of(name) == folder]) for folder in sizes}
    whole = {folder for folder in sizes if 2 * used[folder] >= sizes[folder] and folder != "stages"}
    paths = {f"pipeline/{folder.replace('.', '/')}" for folder in whole}
    paths |= {f"pipeline/{name.replace('.', '/')}.py" for name in code if folder_of(name) not in whole}
    if "reporting.page" in code:
        paths.add("pipeline/reporting/templates")
    return {path for path in paths if not any(path.startswith(f"{other}/") for other in paths)}


@pytest.mark.usefixtures("imports_read_once")
@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "track"])
def test_dvc_depends_on_all_the_code_that_a_stage_runs(stage: str) -> None:
    deps = STAGES[stage]["deps"]
    assert {path for path in deps if path.startswith("pipeline/")} == watched(stage)
    assert "constraints.txt" in deps


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_lock_holds_the_stages_that_there_are(pipeline: str) -> None:
    path = ROOT / pipeline
    stages = YAML(typ="safe").load(path.read_text())["stages"]
    locked = path.with_suffix(".lock").read_text().split("\nstages:\n")[1]  # parsing all of it takes half a second
    assert set(re.findall(r"^  (\w[^@:]*).*:$", locked, re.MULTILINE)) == set(stages)


def test_modules_are_found_by_their_dotted_names() -> None:
    assert all(module_file(name) == path for name, path in MODULES.items())


def test_the_architecture_page_maps_every_folder_in_the_order_of_the_floors() -> None:
    page = (ROOT / "docs/architecture.md").read_text().split("## How it is built")[1].split("\n## ")[0]
    mapped = [re.findall(r"`(\w+)/`", row.split("|")[1]) for row in page.splitlines() if row.startswith("| `")]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = [re.findall(r"pipeline\.([a-z]+)", floor) for floor in contracts[0]["layers"][1:]]
    assert [sorted(floor) for floor in mapped] == [sorted(floor) for floor in floors]
    assert {folder for floor in floors for folder in floor} == {name.partition(".")[0] for name in MODULES}
