"""Do DVC and the files that are kept know everything that results depend on?"""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.experiments import grammar
from pipeline.stages import claiming, keeping, presentation, searching, stages

ROOT = Path(__file__).parents[1]
HOME = {path.stem: path.parent.name for path in ROOT.glob("pipeline/*/*.py") if path.stem != "__init__"}
FOLDERS = {folder: {name for name, home in HOME.items() if home == folder} for folder in HOME.values()}
UNRELATED = {"errors", "terminal"}  # they carry no number
TELLING = {"search_publication", "tracking", "trial_publication"}  # what a search says changes nothing that it finds
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]


def test_modules_have_names_of_their_own() -> None:
    assert len(HOME) == len([path for path in ROOT.glob("pipeline/*/*.py") if path.stem != "__init__"])


def source(module: str) -> str:
    return (ROOT / "pipeline" / HOME[module] / f"{module}.py").read_text()


def imports(tree: ast.AST) -> set[str]:
    """Modules of the package that a piece of code imports, anywhere in its text."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pipeline."):
            _, _, *module = node.module.split(".")
            found |= set(module) or {alias.name for alias in node.names}
    return found


def closure(*modules: str) -> set[str]:
    """These modules and all that they lead to."""
    found, todo = set(), set(modules)
    while todo:
        found |= (new := {todo.pop()} - found)
        todo |= {name for module in new for name in imports(ast.parse(source(module)))}
    return found - UNRELATED


KEPT = {"train": keeping.TRAINING, "evaluation": keeping.SCORING, "experiments": keeping.MEASURING}


@pytest.mark.parametrize(("entry", "known"), KEPT.items())
def test_a_finished_file_is_kept_only_while_all_its_code_is_the_same(entry: str, known: tuple[str, str]) -> None:
    code = {path.stem for name in known[0].split() for path in keeping.code_of(name)} - {"__init__"}
    assert closure(entry, "datasets", "arithmetic") == code


ENTRIES = {
    "generate": {"sources", "keeping"},
    "train": {"fitting"},
    "evaluate": {"scoring", "evaluation", "answer", "diagrams", "results", "series"},
    "search": {"answer", "champions", "evaluation", "fitting", "results", "scoring", "search", "studies", "trials"},
    "claims": {"answer", "grammar", "exact", "experiments", "ledger", "measured", "sources"},
    "ledger": {"canvas", "claim_plots", "grammar", "drawing", "report", "verdicts"},
    "plot": {"canvas", "drawing", "figures", "report", "series", "trials"},
    "report": {"across", "answer", "canvas", "drawing", "figures", "report"},
}
MODULES = (stages, searching, claiming, presentation)
HOMES = {stage: next(home.__name__.split(".")[-1] for home in MODULES if hasattr(home, stage)) for stage in ENTRIES}
ALWAYS = {"arithmetic", "config", "layout", "store"}


def watched(stage: str) -> set[str]:
    """What DVC should watch of the code that a stage runs: whole folders where it runs most of one, else modules."""
    code = closure(*ENTRIES[stage], *ALWAYS) | {HOMES[stage]}
    whole = {folder for folder, modules in FOLDERS.items() if 2 * len(modules & code) > len(modules)}
    single = {f"pipeline/{HOME[name]}/{name}.py" for name in code if HOME[name] not in whole}
    return single | {f"pipeline/{folder}" for folder in whole}


@pytest.mark.parametrize("stage", ENTRIES)
def test_dvc_depends_on_all_the_code_that_a_stage_runs(stage: str) -> None:
    deps = STAGES[stage]["deps"]
    assert {path for path in deps if path.startswith("pipeline/")} == watched(stage)
    assert "constraints.txt" in deps


@pytest.mark.parametrize("stage", ENTRIES)
def test_the_entries_are_what_the_stage_imports(stage: str) -> None:
    tree = ast.parse(source(HOMES[stage]))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    used, todo = set(), {stage}
    while todo:
        name = todo.pop()
        used.add(name)
        names = [node for node in ast.walk(functions[name]) if isinstance(node, ast.Name)]
        own = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        todo |= ({node.id for node in names} - own) & set(functions) - used
    found = set().union(*(imports(functions[name]) for name in used))
    assert (
        found - ALWAYS - {"data", "datasets", "errors", "keeping", "noise", "reading", "spaces", "terminal"} - TELLING
        <= ENTRIES[stage]
    )


def test_dvc_measures_every_topic_that_is_declared() -> None:
    assert STAGES["claims"]["matrix"]["topic"] == list(grammar.load(ROOT / "claims.yaml").topics)


def test_the_readme_maps_every_folder_in_the_order_of_the_floors() -> None:
    readme = (ROOT / "README.md").read_text().split("## How it is built")[1]
    mapped = [re.findall(r"`(\w+)/`", row.split("|")[1]) for row in readme.splitlines() if row.startswith("| `")]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = [re.findall(r"pipeline\.([a-z]+)", floor) for floor in contracts[0]["layers"][1:]]
    assert [sorted(floor) for floor in mapped] == floors
    assert {folder for floor in floors for folder in floor} == set(FOLDERS)
