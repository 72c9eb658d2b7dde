"""The memo: equal work once, damage noticed, bounded size."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pipeline.core.memo import fill, recall, remember
from pipeline.core.paths import MEMO

FILES = [Path(f"members/x/{name}.safetensors") for name in "abc"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def named_after(paths: Sequence[Path]) -> Iterator[bytes]:
    return (path.name.encode() for path in paths)


def nothing_to_make(paths: Sequence[Path]) -> Iterator[bytes]:
    raise AssertionError(paths)


class TestRecall:
    def test_gives_back_what_was_remembered(self):
        assert recall("key") is None
        remember("key", b"content")
        assert recall("key") == b"content"

    @pytest.mark.parametrize("damage", [b"", b"short", b"0" * 32 + b"content"])
    def test_forgets_what_is_damaged(self, damage):
        remember("key", b"content")
        (MEMO / "key").write_bytes(damage)
        assert recall("key") is None
        assert not (MEMO / "key").exists()


class TestSize:
    def test_what_was_not_used_for_longest_goes_first(self, monkeypatch):
        for age, key in enumerate(("old", "older", "oldest")):
            remember(key, b"x" * 68)  # 100 bytes with the checksum
            os.utime(MEMO / key, ns=(0, 10**9 * (10 - age)))
        recall("oldest")
        monkeypatch.setattr("pipeline.core.memo.LIMIT", 300)
        remember("new", b"x" * 68)
        assert [key for key in ("old", "older", "oldest", "new") if recall(key)] == ["old", "oldest", "new"]


class TestFill:
    def test_equal_work_is_done_once(self):
        asked = []

        def make(paths):
            asked.extend(paths)
            return named_after(paths)

        keys = dict(zip(FILES, ("same", "other", "same"), strict=True))
        assert fill(keys, make) == 2
        assert asked == FILES[:2]
        assert [path.read_bytes() for path in FILES] == [b"a.safetensors", b"b.safetensors", b"a.safetensors"]

    def test_what_is_remembered_is_not_made_again(self):
        keys = dict(zip(FILES, "123", strict=True))
        fill(keys, named_after)
        FILES[0].unlink()
        assert fill(keys, nothing_to_make) == 0
        assert FILES[0].read_bytes() == b"a.safetensors"

    def test_an_interruption_loses_the_work_in_flight_alone(self):
        def interrupted(paths):
            yield b"first"
            raise KeyboardInterrupt

        keys = dict(zip(FILES, "123", strict=True))
        with pytest.raises(KeyboardInterrupt):
            fill(keys, interrupted)
        assert FILES[0].read_bytes() == b"first"
        assert fill(keys, named_after) == 2
        assert FILES[0].read_bytes() == b"first"

    def test_works_where_the_memo_is_too_small_for_all(self, monkeypatch):
        monkeypatch.setattr("pipeline.core.memo.LIMIT", 0)
        assert fill(dict(zip(FILES, "123", strict=True)), named_after) == 3
        assert all(path.exists() for path in FILES)
