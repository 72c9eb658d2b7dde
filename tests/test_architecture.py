"""Do DVC and the files that are kept know everything that results depend on?"""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import stages

PACKAGE = Path(stages.__file__).parent
UNRELATED = {"__init__", "errors", "terminal"}  # they carry no number
STAGES = YAML(typ="safe").load((PACKAGE.parent / "dvc.yaml").read_text())["stages"]


def imported(module: str) -> set[str]:
    """Modules of the package that a module imports, anywhere in its text."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "pipeline":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pipeline."):
            found.add(node.module.split(".")[1])
    return found


def closure(*modules: str) -> set[str]:
    """These modules and all that they lead to."""
    found, todo = set(), set(modules)
    while todo:
        found |= (new := {todo.pop()} - found)
        todo |= {name for module in new for name in imported(module)}
    return found - UNRELATED


@pytest.mark.parametrize(("entry", "known"), [("train", stages.TRAINING), ("evaluation", stages.SCORING)])
def test_a_finished_file_is_kept_only_while_all_its_code_is_the_same(entry: str, known: tuple[str, str]) -> None:
    assert closure(entry, "datasets", "arithmetic") == set(known[0].split())


ENTRIES = {
    "generate": {"sources", "datasets"},
    "train": {"train", "datasets"},
    "evaluate": {"evaluation", "answer", "results", "series"},
}


@pytest.mark.parametrize("stage", ENTRIES)
def test_dvc_depends_on_all_the_code_that_a_stage_runs(stage: str) -> None:
    deps = {Path(path).stem for path in STAGES[stage]["deps"] if path.startswith("pipeline/")}
    assert deps == closure(*ENTRIES[stage]) | {"arithmetic", "config", "stages", "store"}
    assert "constraints.txt" in STAGES[stage]["deps"]


@pytest.mark.parametrize("stage", ENTRIES)
def test_the_entries_are_what_the_stage_imports(stage: str) -> None:
    text = (PACKAGE / "stages.py").read_text()
    functions = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    top = {"config", "store", "datasets", "data", "noise", "errors", "terminal"}
    used, todo = set(), {stage}
    while todo:
        name = todo.pop()
        used.add(name)
        called = {node.id for node in ast.walk(functions[name]) if isinstance(node, ast.Name)}
        todo |= (called & set(functions)) - used
    found = set()
    for name in used:
        for node in ast.walk(functions[name]):
            if isinstance(node, ast.ImportFrom) and node.module == "pipeline":
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pipeline."):
                found.add(node.module.split(".")[1])
    assert found - top <= ENTRIES[stage]
