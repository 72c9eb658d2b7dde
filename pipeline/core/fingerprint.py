"""Fingerprints: one digest for the code, library versions, parameters and files that a result depends on.

Code counts as its syntax tree without docstrings, comments, formatting and what is for type checkers alone, of a module
and all that it imports from this package, found by reading the code.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import TypeVar

from pipeline.core.determinism import KEEP
from pipeline.core.files import file_digest

Item = TypeVar("Item", bound=Hashable)
PACKAGE = Path(__file__).parents[1]


def fingerprint(*parts: object, code: Sequence[str] = (), files: Iterable[Path] = ()) -> str:
    """One digest of JSON-ready parts, of the code of modules, and of the content of files.

    Args:
        parts: parameters, whatever `json` can write.
        code: dotted names of modules of this package, `training.fit` for instance; see `code_digest`.
        files: inputs, by content and not by name.

    Raises:
        InputError: there is no such file.
    """
    return fingerprints({"": parts}, code=code, files=files)[""]


def fingerprints(
    parts: Mapping[Item, Sequence[object]], *, code: Sequence[str] = (), files: Iterable[Path] = ()
) -> dict[Item, str]:
    """The fingerprint of every piece of work by its parts; all share code and files, which are read once.

    Raises:
        InputError: there is no such file.
    """
    shared = {"code": [code_digest(module) for module in code], "files": [file_digest(path) for path in files]}
    if os.environ.get(KEEP):  # other bits on some processors, not to be taken for everybody's
        shared["kernels"] = [KEEP]
    contents = {item: json.dumps({"parts": each, **shared}, sort_keys=True) for item, each in parts.items()}
    return {item: sha256(content.encode()).hexdigest() for item, content in contents.items()}


@cache
def code_digest(module: str) -> str:
    """The digest of what a module computes with: its code, that of its import closure, and versions of libraries."""
    modules = import_closure(module)
    libraries = sorted({name for each in modules for name in _libraries(each)})
    content = [[each, _syntax(each)] for each in sorted(modules)] + [[name, _version(name)] for name in libraries]
    return sha256(json.dumps(content).encode()).hexdigest()


@cache
def package_digest() -> str:
    """The digest of all Python files of this package, byte for byte: two processes that run the same code agree."""
    files = sorted(PACKAGE.rglob("*.py"))
    content = [[path.relative_to(PACKAGE).as_posix(), file_digest(path)] for path in files]
    return sha256(json.dumps(content).encode()).hexdigest()


@cache
def import_closure(module: str) -> frozenset[str]:
    """A module of this package and all that it imports of it, directly or not, by dotted name without `pipeline.`."""
    known, todo = set(), {module}
    while todo:
        known.add(current := todo.pop())
        todo |= set(_internal_imports(current)) - known
    return frozenset(known)


def module_file(module: str) -> Path:
    """Where a module of this package is."""
    place = PACKAGE.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def syntax_tree(source: str) -> ast.Module:
    """The syntax tree of code without docstrings, other bare strings, and what is for type checkers alone."""
    tree: ast.Module = _Essential().visit(ast.parse(source))
    return tree


class _Essential(ast.NodeTransformer):
    """Drops statements that compute nothing."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST]:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return [self.visit(statement) for statement in node.orelse]
        return self.generic_visit(node)


@cache
def _tree(module: str) -> ast.Module:
    return syntax_tree(module_file(module).read_text(encoding="utf-8"))


@cache
def _syntax(module: str) -> str:
    return sha256(ast.dump(_tree(module)).encode()).hexdigest()


def _imports(module: str) -> Iterator[tuple[str, str]]:
    """(module, name) of every import in a module's code, wherever it stands; the name is "" for `import module`."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def _internal_imports(module: str) -> Iterator[str]:
    for source, name in _imports(module):
        top, _, inner = source.partition(".")
        if top == PACKAGE.name:
            named = f"{inner}.{name}".strip(".")
            yield named if module_file(named).is_file() else inner


def _libraries(module: str) -> Iterator[str]:
    for source, _ in _imports(module):
        top = source.partition(".")[0]
        if top != PACKAGE.name and top not in sys.stdlib_module_names:
            yield top


@cache
def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return version(packages_distributions()[library][0])
