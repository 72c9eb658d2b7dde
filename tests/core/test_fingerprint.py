"""Fingerprints: they change with what computes, and with nothing else."""

import ast
import sys
from pathlib import Path

import pytest

from pipeline.core import fingerprint as subject
from pipeline.core.determinism import KEEP
from pipeline.core.errors import InputError
from pipeline.core.fingerprint import code_digest, fingerprint, fingerprints, import_closure, syntax_tree

CODE = '''
"""What it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

RATE = 0.5
"""Of something."""


def scaled(value: float) -> float:
    """A value, scaled."""
    return value * RATE  # half
'''
SAME = {
    "docstring": ('"""A value, scaled."""', '"""The scaled value."""'),
    "no docstring": ('    """A value, scaled."""\n', ""),
    "module docstring": ('"""What it does."""', '"""What else it does."""'),
    "attribute docstring": ('"""Of something."""', ""),
    "comment": ("  # half", ""),
    "formatting": ("value * RATE", "(value *\n            RATE)"),
    "for type checkers": ("import Mapping", "import Sequence"),
}
OTHER = {
    "number": ("0.5", "0.25"),
    "operator": ("value * RATE", "value + RATE"),
    "name": ("def scaled", "def halved"),
    "default": ("value: float)", "value: float = 1.0)"),
}


def syntax(code: str) -> str:
    return ast.dump(syntax_tree(code))


@pytest.mark.parametrize(("old", "new"), SAME.values(), ids=SAME)
def test_what_does_not_compute_leaves_the_syntax_as_it_is(old, new):
    assert old in CODE
    assert syntax(CODE.replace(old, new)) == syntax(CODE)


@pytest.mark.parametrize(("old", "new"), OTHER.values(), ids=OTHER)
def test_what_computes_changes_it(old, new):
    assert old in CODE
    assert syntax(CODE.replace(old, new)) != syntax(CODE)


class TestClosure:
    @pytest.fixture
    def package(self, tmp_path, monkeypatch):
        for name, code in {
            "a/__init__": "",
            "a/top": "from pkg.a import middle\nimport json\n",
            "a/middle": "def f():\n    from pkg.b.low import g\n    import numpy\n    return g\n",
            "b/__init__": '"""Text."""',
            "b/low": "g = 1\n",
            "b/other": "g = 2\n",
            "__init__": "",
        }.items():
            path = tmp_path / "pkg" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code)
        monkeypatch.setattr(subject, "PACKAGE", tmp_path / "pkg")
        self.forget()
        yield tmp_path / "pkg"
        self.forget()

    @staticmethod
    def forget():
        for cached in (subject.import_closure, subject.code_digest, subject._tree, subject._syntax):
            cached.cache_clear()

    def test_follows_imports_wherever_they_stand(self, package):
        assert import_closure("a.top") == {"a.top", "a.middle", "b.low"}

    def test_holds_the_libraries(self, package):
        assert {name for module in import_closure("a.top") for name in subject._libraries(module)} == {"numpy"}

    def test_changes_with_code_that_it_reaches_alone(self, package):
        before = code_digest("a.top")
        (package / "b/other.py").write_text("g = 3\n")
        self.forget()
        assert code_digest("a.top") == before
        (package / "b/low.py").write_text("g = 3\n")
        self.forget()
        assert code_digest("a.top") != before

    def test_changes_with_a_library(self, package, monkeypatch):
        before = code_digest("a.top")
        self.forget()
        monkeypatch.setattr(subject, "_version", lambda _: "another")
        assert code_digest("a.top") != before

    def test_of_training_reaches_its_networks_and_neither_figures_nor_tracking(self):
        closure = import_closure("training.fit")
        assert {"training.stack", "models.mlp", "core.determinism", "core.rng"} <= closure
        assert not {name for name in closure if name.startswith(("reporting", "tracking", "stages", "results"))}


class TestFingerprint:
    def test_changes_with_each_part(self, tmp_path):
        file = tmp_path / "f"
        file.write_text("content")
        first = fingerprint({"a": 1}, code=["core.rng"], files=[file])
        assert first == fingerprint({"a": 1}, code=["core.rng"], files=[file])
        others = [
            fingerprint({"a": 2}, code=["core.rng"], files=[file]),
            fingerprint({"a": 1}, 0, code=["core.rng"], files=[file]),
            fingerprint({"a": 1}, code=["core.files"], files=[file]),
            fingerprint({"a": 1}, code=["core.rng"]),
        ]
        file.write_text("changed")
        others.append(fingerprint({"a": 1}, code=["core.rng"], files=[file]))
        assert len({first, *others}) == 1 + len(others)

    def test_does_not_change_with_a_files_name(self, tmp_path):
        for name in "fg":
            (tmp_path / name).write_text("content")
        assert fingerprint(files=[tmp_path / "f"]) == fingerprint(files=[tmp_path / "g"])

    def test_of_many_are_those_of_each(self, tmp_path):
        (tmp_path / "data").write_bytes(b"rows")
        parts, more = {"a": (1, "x"), "b": (2, [0.5])}, {"code": ["core.rng"], "files": [tmp_path / "data"]}
        found = fingerprints(parts, **more)
        assert found == {name: fingerprint(*each, **more) for name, each in parts.items()}
        assert found["a"] != found["b"]

    def test_needs_its_files(self):
        with pytest.raises(InputError, match="no such file"):
            fingerprint(files=[Path("nosuch")])


@pytest.mark.slow
def test_a_new_process_finds_the_same(tmp_path):
    import subprocess  # noqa: PLC0415

    code = "from pipeline.core.fingerprint import code_digest; print(code_digest('training.fit'))"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == code_digest("training.fit")


def test_kernels_of_mkls_own_choice_have_fingerprints_of_their_own(monkeypatch):
    pinned = fingerprint("points")
    monkeypatch.setenv(KEEP, "1")
    assert fingerprint("points") != pinned
