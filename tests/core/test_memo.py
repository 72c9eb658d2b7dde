"""The memo: equal work once, damage noticed, bounded size."""

import os
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from time import time

import pytest

from pipeline.core.memo import SHARE, fill, recall, remember
from pipeline.core.paths import MEMO

KEYS = KEY, OTHER, _ = [digit * 64 for digit in "123"]
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
        assert recall(KEY) is None
        remember(KEY, b"content")
        assert recall(KEY) == b"content"

    @pytest.mark.parametrize("damage", [b"", b"short", b"0" * 32 + b"content"])
    def test_forgets_what_is_damaged(self, damage):
        remember(KEY, b"content")
        (MEMO / KEY).write_bytes(damage)
        assert recall(KEY) is None
        assert not (MEMO / KEY).exists()


class TestSize:
    def test_what_was_not_used_for_longest_goes_first(self, monkeypatch):
        old, older, oldest, new = (str(number) * 64 for number in range(4))
        for age, key in enumerate((old, older, oldest)):
            remember(key, b"x" * 68)  # 100 bytes with the checksum
            os.utime(MEMO / key, ns=(0, 10**9 * (10 - age)))
        recall(oldest)
        monkeypatch.setattr("pipeline.core.memo.LIMIT", 300)
        remember(new, b"x" * 68)
        assert [key for key in (old, older, oldest, new) if recall(key)] == [old, oldest, new]

    def test_what_is_no_entry_is_neither_counted_nor_deleted(self, tmp_path, monkeypatch):
        others = [MEMO / name for name in ("notes.txt", "A" * 64, "0" * 63, "0" * 64 + "x", ".0.1.part")]
        MEMO.mkdir(parents=True)
        for path in others:
            path.write_bytes(b"x" * 1000)
        (MEMO / OTHER).symlink_to(tmp_path / "elsewhere")
        monkeypatch.setattr("pipeline.core.memo.LIMIT", 0)
        remember(KEY, b"x")
        assert not (MEMO / KEY).exists()
        assert all(path.read_bytes() == b"x" * 1000 for path in others)
        assert (MEMO / OTHER).is_symlink()

    def test_parts_that_killed_processes_have_left_go_after_a_day(self):
        MEMO.mkdir(parents=True)
        old, new = (MEMO / f".{KEY}.{number}.0123abcd.part" for number in (1, 2))
        for path in (old, new):
            path.write_bytes(b"x")
        os.utime(old, (time() - 25 * 3600,) * 2)
        os.utime(new, (time() - 23 * 3600,) * 2)
        remember("0" * 64, b"x")
        assert not old.exists()
        assert new.exists()

    def test_small_entries_are_looked_through_once_in_a_share_of_the_limit(self, monkeypatch):
        trimmed: list[int] = []
        monkeypatch.setattr("pipeline.core.memo._trim", trimmed.append)
        monkeypatch.setattr("pipeline.core.memo.write_bytes", lambda *_: None)
        monkeypatch.setattr("pipeline.core.memo.LIMIT", limit := 64_000)
        for number in range(2000):
            remember(sha256(b"%d" % number).hexdigest(), b"x" * 10)
        assert 5 <= len(trimmed) <= 40  # 20 shares of 1,000 bytes are written
        trimmed.clear()
        remember("f" * 64, b"x" * (limit // SHARE + 1))
        assert len(trimmed) == 1


@pytest.mark.parametrize("key", ["", ".", "..", "../../x", "/etc/passwd", "key", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_a_key_is_a_fingerprint(tmp_path, key):
    (tmp_path / "x").write_bytes(b"kept")
    for act in (recall, lambda each: remember(each, b"new")):
        with pytest.raises(ValueError, match="64 hexadecimal digits"):
            act(key)
    assert [path.name for path in tmp_path.rglob("*")] == ["x"]


class TestFill:
    def test_equal_work_is_done_once(self):
        asked = []

        def make(paths):
            asked.extend(paths)
            return named_after(paths)

        keys = dict(zip(FILES, (KEY, OTHER, KEY), strict=True))
        assert fill(keys, make) == 2
        assert asked == FILES[:2]
        assert [path.read_bytes() for path in FILES] == [b"a.safetensors", b"b.safetensors", b"a.safetensors"]

    def test_what_is_remembered_is_not_made_again(self):
        keys = dict(zip(FILES, KEYS, strict=True))
        fill(keys, named_after)
        FILES[0].unlink()
        assert fill(keys, nothing_to_make) == 0
        assert FILES[0].read_bytes() == b"a.safetensors"

    def test_an_interruption_loses_the_work_in_flight_alone(self):
        def interrupted(paths):
            yield b"first"
            raise KeyboardInterrupt

        keys = dict(zip(FILES, KEYS, strict=True))
        with pytest.raises(KeyboardInterrupt):
            fill(keys, interrupted)
        assert FILES[0].read_bytes() == b"first"
        assert fill(keys, named_after) == 2
        assert FILES[0].read_bytes() == b"first"

    def test_works_where_the_memo_is_too_small_for_all(self, monkeypatch):
        monkeypatch.setattr("pipeline.core.memo.LIMIT", 0)
        assert fill(dict(zip(FILES, KEYS, strict=True)), named_after) == 3
        assert all(path.exists() for path in FILES)
