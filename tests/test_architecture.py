"""Do DVC and the files that are kept know everything that results depend on?"""

import ast
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import claiming, claims, keeping, presentation, searching, stages

PACKAGE = Path(stages.__file__).parent
UNRELATED = {"__init__", "errors", "terminal"}  # they carry no number
TELLING = {"search_publication", "tracking"}  # what a search says while it runs changes nothing that it finds
STAGES = YAML(typ="safe").load((PACKAGE.parent / "dvc.yaml").read_text())["stages"]


def imported(module: str) -> set[str]:
    """Modules of the package that a module imports, anywhere in its text."""
    return imports(ast.parse((PACKAGE / f"{module}.py").read_text()))


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
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


KEPT = {"train": keeping.TRAINING, "evaluation": keeping.SCORING, "experiments": keeping.MEASURING}


@pytest.mark.parametrize(("entry", "known"), KEPT.items())
def test_a_finished_file_is_kept_only_while_all_its_code_is_the_same(entry: str, known: tuple[str, str]) -> None:
    assert closure(entry, "datasets", "arithmetic") == set(known[0].split())


ENTRIES = {
    "generate": {"sources", "keeping"},
    "train": {"fitting"},
    "evaluate": {"scoring", "evaluation", "answer", "diagrams", "results", "series"},
    "search": {"answer", "champions", "evaluation", "fitting", "results", "scoring", "search", "studies", "trials"},
    "claims": {"answer", "claims", "exact", "experiments", "ledger", "sources"},
    "ledger": {"canvas", "claim_plots", "claims", "drawing", "report", "verdicts"},
    "plot": {"canvas", "drawing", "figures", "report", "series", "trials"},
    "report": {"across", "answer", "canvas", "drawing", "figures", "report"},
}
MODULES = (stages, searching, claiming, presentation)
HOMES = {stage: next(home.__name__.split(".")[-1] for home in MODULES if hasattr(home, stage)) for stage in ENTRIES}
ALWAYS = {"arithmetic", "config", "fields", "layout", "spaces", "store"}


@pytest.mark.parametrize("stage", ENTRIES)
def test_dvc_depends_on_all_the_code_that_a_stage_runs(stage: str) -> None:
    deps = {Path(path).stem for path in STAGES[stage]["deps"] if path.startswith("pipeline/") and path.endswith(".py")}
    assert deps == closure(*ENTRIES[stage]) | ALWAYS | {HOMES[stage]}
    assert "constraints.txt" in STAGES[stage]["deps"]


@pytest.mark.parametrize("stage", ENTRIES)
def test_the_entries_are_what_the_stage_imports(stage: str) -> None:
    tree = ast.parse((PACKAGE / f"{HOMES[stage]}.py").read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    used, todo = set(), {stage}
    while todo:
        name = todo.pop()
        used.add(name)
        called = {node.id for node in ast.walk(functions[name]) if isinstance(node, ast.Name)}
        todo |= (called & set(functions)) - used
    found = set().union(*(imports(functions[name]) for name in used))
    assert found - ALWAYS - {"data", "datasets", "errors", "keeping", "noise", "terminal"} - TELLING <= ENTRIES[stage]


def test_dvc_measures_every_topic_that_is_declared() -> None:
    assert STAGES["claims"]["matrix"]["topic"] == list(claims.load(PACKAGE.parent / "claims.yaml").topics)


def test_the_report_depends_on_its_template() -> None:
    assert "pipeline/report.html.jinja" in STAGES["report"]["deps"]


def test_the_readme_maps_every_module_and_in_the_order_of_the_floors() -> None:
    readme = (PACKAGE.parent / "README.md").read_text()
    rows = [line.split("|")[2] for line in readme.split("## How it is built")[1].splitlines() if line.startswith("| ")]
    floors = [re.findall(r"`(\w+)`", row) for row in rows[1:]]
    mapped = [module for floor in floors for module in floor]
    assert sorted(mapped) == sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
    above: set[str] = set()
    for floor in floors:
        assert not {name for module in floor for name in imported(module)} & above
        above |= set(floor)
