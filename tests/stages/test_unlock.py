"""Lock files that an interruption cut off: set aside where DVC cannot read them, left alone where it can."""

from pathlib import Path

import pytest

from pipeline.core.errors import InputError
from pipeline.core.paths import RWLOCK
from pipeline.stages.unlock import unlock

WHOLE = """schema: '2.0'
stages:
  first:
    cmd: x
    outs:
    - path: a
      hash: md5
      md5: 0123456789abcdef0123456789abcdef
      size: 1
"""


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "textbook").mkdir()
    RWLOCK.parent.mkdir(parents=True)


def dvc_reads(text: str) -> bool:
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA  # noqa: PLC0415
    from dvc.utils.serialize import parse_yaml  # noqa: PLC0415

    try:
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(text, "dvc.lock"))
    except Exception:
        return False
    return True


@pytest.mark.parametrize("lock", ["dvc.lock", "textbook/dvc.lock"])
def test_every_cut_is_removed_exactly_where_dvc_cannot_read_it(lock):
    path, removed = Path(lock), 0
    for end in range(len(WHOLE)):
        path.write_text(WHOLE[:end])
        if dvc_reads(WHOLE[:end]):
            with pytest.raises(InputError, match="not damaged"):
                unlock()
            assert path.read_text() == WHOLE[:end]
        else:
            assert unlock().startswith(f"{lock}: cut off")
            assert not path.exists()
            aside = Path(f"{lock}.damaged{removed or ''}")
            assert aside.read_text() == WHOLE[:end]
            removed += 1
    assert removed > len(WHOLE) / 4


def test_a_cut_lock_of_paths_is_removed_too():
    Path("dvc.lock").write_text(WHOLE)
    RWLOCK.write_text('{"a": ')
    assert unlock().startswith(str(RWLOCK))
    assert not RWLOCK.exists()
    assert Path("dvc.lock").read_text() == WHOLE


def test_nothing_is_done_where_there_is_nothing():
    with pytest.raises(InputError):
        unlock()
