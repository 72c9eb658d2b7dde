"""An interruption may cut dvc.lock off at any byte: does DVC accept what is kept of it, and is nothing else lost?"""

import re
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import parse_yaml
from test_pipeline import ROOT, stage

from pipeline.core import lockfile
from pipeline.core.errors import InputError
from pipeline.stages import mend

LOCK = (ROOT / "dvc.lock").read_text(encoding="utf-8")
SMALL = """\
schema: '2.0'
stages:
  draw@größe:
    cmd: draw größe
    params:
      params.yaml:
        text: "one\\n\\n  two: 2\\n"
        day: 2026-11-05
    outs:
    - path: größe
      hash: md5
      md5: 7d1cd4d710a315a626df7f602be7d05f.dir
      nfiles: 2
  fit:
    cmd: fit
  '3':
    cmd: last
"""


def pieces(text: str) -> list[str]:
    """The header, and then each stage."""
    return re.split(r"^(?=  [\w'])", text, flags=re.MULTILINE)


def one_of_each_kind() -> str:
    """The project's dvc.lock with the first stage of each kind only, which is read several times as fast."""
    header, *stages = pieces(LOCK)
    return header + "".join({re.split("[@:]", piece)[0]: piece for piece in reversed(stages)}.values())


@cache
def accepted(text: str) -> dict[str, Any]:
    """The stages as DVC reads and checks them."""
    found: dict[str, Any] = COMPILED_LOCKFILE_SCHEMA(parse_yaml(text, "dvc.lock")).get("stages", {})
    return found


def is_accepted(text: str) -> bool:
    try:
        accepted(text)
    except Exception:
        return False
    return True


def keeps_what_is_whole(text: str, at: int) -> None:
    """Of a text cut off at a place, DVC accepts what is kept, and every stage that ended before is in it as it was."""
    cut = text[:at]
    kept = lockfile.whole(cut)
    before, after = accepted(text), accepted(kept) if kept else {}
    names = [*before][: len(after)]
    _, *ends = accumulate(map(len, pieces(text)))
    ended = sum(end <= at for end in ends)
    assert [*after] == names
    assert ended <= len(names) <= ended + 1
    assert all(after[name] == before[name] for name in names[:ended])
    assert is_accepted(cut) == (kept == cut != "")


def test_cut_off_anywhere_it_keeps_the_stages_that_are_whole() -> None:
    for at in range(len(SMALL) + 1):
        keeps_what_is_whole(SMALL, at)


@pytest.mark.slow
def test_cut_off_anywhere_the_projects_own_keeps_the_stages_that_are_whole() -> None:
    text = one_of_each_kind()
    assert {name.split("@")[0] for name in accepted(text)} == {name.split("@")[0] for name in accepted(LOCK)}
    for part in range(200):
        keeps_what_is_whole(text, len(text) * part // 200)


@pytest.mark.parametrize("text", [LOCK, SMALL], ids=["the project's", "small"])
def test_an_intact_one_is_left_as_it_is(text: str) -> None:
    assert lockfile.whole(text) is text


@pytest.mark.parametrize("length", range(0, len(lockfile.HEADER) + 3))
def test_nothing_is_left_of_a_cut_header(length: int) -> None:
    cut = SMALL[:length]
    assert lockfile.whole(cut) == (cut if is_accepted(cut) else "")


@pytest.mark.parametrize("name", ["a" * 140, "a: b", "1", "null", "é"])
def test_a_stage_whose_name_is_written_otherwise_is_cut_at_its_beginning(name: str) -> None:
    from dvc.utils.serialize import dumps_yaml  # noqa: PLC0415

    first = dumps_yaml({"schema": "2.0", "stages": {"first": {"cmd": "x"}}})
    both = dumps_yaml({"schema": "2.0", "stages": {"first": {"cmd": "x"}, name: {"cmd": "x", "outs": [{"path": "y"}]}}})
    assert lockfile.whole(both) is both
    assert lockfile.whole(both.removesuffix(": y\n")) == first


DAMAGES = {
    "a conflict": SMALL.replace("    cmd: draw", "<<<<<<< HEAD\n    cmd: draw\n=======\n>>>>>>> other\n    cmd: draw"),
    "two stages cut": SMALL.replace("    cmd: draw größe\n", "").replace("    cmd: fit\n", ""),
    "zeros": SMALL[:70] + "\0" * 100 + SMALL[170:],
    "another schema": SMALL.replace("2.0", "3.0"),
    "an impossible day": SMALL.replace("11-05", "11-00"),
    "another text": "nothing of DVC's\n",
    "an odd byte": SMALL.encode().replace("ö".encode(), b"\xf6", 1).decode(errors="surrogateescape"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_no_interruption_does_is_told_in_one_line(damage: str) -> None:
    with pytest.raises(InputError) as caught:
        lockfile.whole(DAMAGES[damage])
    assert re.fullmatch(
        r"dvc\.lock: damaged \(.+\); `git checkout dvc\.lock` restores the committed one", str(caught.value)
    )


class TestCommand:
    @pytest.fixture(autouse=True)
    def importable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", str(ROOT))

    @pytest.mark.parametrize(
        ("cut", "kept"),
        [
            (SMALL[: SMALL.index("md: fit")], 1),
            (SMALL.encode()[: SMALL.encode().index("größe".encode()) + 3], 0),
            (SMALL[:10], 0),
            ("", 0),
        ],
        ids=["in a stage", "in a character", "in the header", "before everything"],
    )
    def test_mends_and_says_so_in_a_line(self, tmp_path: Path, cut: str | bytes, kept: int) -> None:
        path = tmp_path / "dvc.lock"
        path.write_bytes(cut if isinstance(cut, bytes) else cut.encode())
        done = stage(tmp_path, "mend")
        said = f"dvc.lock: an interruption had cut it off; stages kept: {kept}, the others run again\n"
        assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
        assert [file.read_text() for file in tmp_path.iterdir()] == ["".join(pieces(SMALL)[: kept + 1])] * bool(kept)

    @pytest.mark.parametrize("text", [SMALL, None], ids=["intact", "none"])
    def test_does_and_says_nothing_where_nothing_is_wrong(self, tmp_path: Path, text: str | None) -> None:
        path = tmp_path / "dvc.lock"
        if text is not None:
            path.write_text(text)
        done = stage(tmp_path, "mend")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert [file.read_text() for file in tmp_path.iterdir()] == [text] * (text is not None)

    def test_leaves_a_damaged_one_as_it_is(self, tmp_path: Path) -> None:
        path = tmp_path / "dvc.lock"
        path.write_text(DAMAGES["a conflict"])
        done = stage(tmp_path, "mend")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr.startswith("error: dvc.lock: damaged (")
        assert path.read_text() == DAMAGES["a conflict"]


@pytest.mark.parametrize(("content", "kept"), [("", False), ('{"a": {"re', False), ("{}", True), (None, False)])
def test_dvcs_lock_of_paths_is_removed_where_it_is_cut_off(tmp_path, monkeypatch, content, kept):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ".dvc/tmp/rwlock"
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_text(content)
    told = mend.mend()
    assert path.exists() == kept
    assert ("cut it off; removed" in told) == (content is not None and not kept)
