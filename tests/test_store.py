import errno
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ground import store
from pipeline.ground.errors import InputError

ARRAYS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.arange(4), "empty": np.zeros((0, 3))}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


class FullDisk:
    """A file that takes a part and then no more."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        full_disk()


class TestWriting:
    def test_makes_folders_and_leaves_one_file(self, tmp_path):
        store.write_bytes(Path("a/b/c.bin"), b"content")
        assert Path("a/b/c.bin").read_bytes() == b"content"
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "a/b/c.bin"]

    @pytest.mark.parametrize("old", [None, b"old"])
    @pytest.mark.parametrize("failing", ["fsync", "write", "replace"])
    def test_a_failure_leaves_the_old_file_and_nothing_else(self, tmp_path, monkeypatch, failing, old):
        path = Path("out/file.json")
        path.parent.mkdir()
        if old:
            path.write_bytes(old)
        if failing == "fsync":
            monkeypatch.setattr(os, "fsync", full_disk)
        elif failing == "replace":
            monkeypatch.setattr(Path, "replace", full_disk)
        else:
            monkeypatch.setattr(Path, "open", lambda self, mode: FullDisk(io.FileIO(self, mode)))
        with pytest.raises(OSError, match="No space left") as caught:
            store.write_bytes(path, b"new content")
        monkeypatch.undo()
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == str(path)
        left = [one.relative_to(tmp_path) for one in tmp_path.rglob("*") if one.is_file()]
        assert left == ([path] if old else [])
        assert not old or (tmp_path / path).read_bytes() == old

    def test_an_interruption_leaves_the_old_file(self, tmp_path, monkeypatch):
        def interrupted(descriptor):
            raise KeyboardInterrupt

        store.write_bytes(Path("x"), b"old")
        monkeypatch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.write_bytes(Path("x"), b"new")
        assert [path.name for path in Path().iterdir()] == ["x"]
        assert Path("x").read_bytes() == b"old"

    def test_is_synced_before_it_is_renamed(self, monkeypatch):
        done = []
        fsync, replace = os.fsync, Path.replace
        monkeypatch.setattr(os, "fsync", lambda fd: (done.append("sync"), fsync(fd)))
        monkeypatch.setattr(Path, "replace", lambda self, to: (done.append("rename"), replace(self, to)))
        store.write_bytes(Path("x"), b"content")
        assert done == ["sync", "rename"]

    def test_a_folder_in_the_way(self):
        Path("x").mkdir()
        with pytest.raises(OSError, match="x") as caught:
            store.write_bytes(Path("x"), b"content")
        assert caught.value.filename == "x"
        assert [path.name for path in Path().iterdir()] == ["x"]


class TestJson:
    def test_is_deterministic_and_sorted(self):
        store.write_json(Path("a.json"), {"b": 1, "a": [0.1, None]})
        store.write_json(Path("b.json"), {"a": [0.1, None], "b": 1})
        assert Path("a.json").read_bytes() == Path("b.json").read_bytes()
        assert Path("a.json").read_bytes().endswith(b"}\n")
        assert list(store.read_json(Path("a.json"))) == ["a", "b"]

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_refuses_what_is_no_number(self, value):
        with pytest.raises(ValueError, match="JSON compliant"):
            store.write_json(Path("a.json"), {"x": value})
        assert not Path("a.json").exists()

    @pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe", b'{"a": 1} x'])
    def test_damage_is_one_line(self, content):
        if content is not None:
            Path("a.json").write_bytes(content)
        with pytest.raises(InputError, match=r"^a\.json: .*dvc repro") as caught:
            store.read_json(Path("a.json"))
        assert len(str(caught.value).splitlines()) == 1

    @settings(max_examples=30)
    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_numbers_come_back_exactly(self, number):
        store.write_json(Path("n.json"), number)
        assert store.read_json(Path("n.json")) == number


def test_csv():
    store.write_csv(Path("t.csv"), [{"b": 0.1, "a": "x,y"}, {"b": 2, "a": ""}], columns=["b", "a"])
    assert Path("t.csv").read_bytes() == b'b,a\n0.1,"x,y"\n2,\n'


class TestArrays:
    def test_come_back(self):
        store.write_arrays(Path("x.safetensors"), {**ARRAYS, "turned": ARRAYS["b"].T}, {"n": [1, "é"]})
        arrays, about = store.read_arrays(Path("x.safetensors"))
        assert about == {"n": [1, "é"]}
        assert arrays.keys() == {*ARRAYS, "turned"}
        for name, array in {**ARRAYS, "turned": ARRAYS["b"].T}.items():
            assert arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(arrays[name], array)

    def test_bytes_are_deterministic(self):
        store.write_arrays(Path("1"), ARRAYS, {"b": 1, "a": 2})
        store.write_arrays(Path("2"), dict(reversed(ARRAYS.items())), {"a": 2, "b": 1})
        assert Path("1").read_bytes() == Path("2").read_bytes()

    def test_every_truncation_is_one_line(self):
        store.write_arrays(Path("x"), ARRAYS, {"n": 1})
        whole = Path("x").read_bytes()
        for length in range(0, len(whole), 7):
            Path("x").write_bytes(whole[:length])
            self.refused()

    @pytest.mark.parametrize(
        "damage", [lambda w: b"", lambda w: b"{}", lambda w: w + b"x", lambda w: b"\xff" * 8 + w[8:]]
    )
    def test_damage_is_one_line(self, damage):
        store.write_arrays(Path("x"), ARRAYS, {"n": 1})
        Path("x").write_bytes(damage(Path("x").read_bytes()))
        self.refused()

    @pytest.mark.parametrize("metadata", [None, {}, {"about": "{"}, {"other": "1"}])
    def test_a_foreign_file_is_one_line(self, metadata):
        from safetensors.numpy import save_file  # noqa: PLC0415

        save_file({"a": np.zeros(2)}, "x", metadata=metadata)
        self.refused()

    def test_a_missing_file_is_one_line(self):
        assert "no such file" in self.refused()

    def refused(self):
        with pytest.raises(InputError, match=r"^x: ") as caught:
            store.read_arrays(Path("x"))
        assert len(str(caught.value).splitlines()) == 1
        return str(caught.value)


class TestCurrent:
    @pytest.fixture
    def made(self):
        path = Path("out/made.bin")
        store.write_bytes(path, b"content")
        store.mark_current(path, "fingerprint")
        return path

    def test_a_finished_file_is(self, made):
        assert store.is_current(made, "fingerprint")

    def test_not_when_made_from_something_else(self, made):
        assert not store.is_current(made, "other")
        assert not store.is_current(made, "finger")

    @pytest.mark.parametrize("content", [b"", b"conten", b"Content", b"content\n"])
    def test_not_when_changed_or_truncated(self, made, content):
        made.write_bytes(content)
        assert not store.is_current(made, "fingerprint")

    def test_again_when_rewritten_with_the_same_content(self, made):
        made.write_bytes(b"content")
        assert store.is_current(made, "fingerprint")

    def test_not_when_the_file_or_its_note_is_missing(self, made):
        note = store.NOTES / made
        kept = note.read_bytes()
        note.unlink()
        assert not store.is_current(made, "fingerprint")
        note.write_bytes(kept)
        assert store.is_current(made, "fingerprint")
        made.unlink()
        assert not store.is_current(made, "fingerprint")

    def test_not_when_the_note_is_damaged(self, made):
        note = store.NOTES / made
        note.write_bytes(note.read_bytes()[:-1])
        assert not store.is_current(made, "fingerprint")

    def test_a_file_elsewhere_is_not_replaced_by_its_note(self, tmp_path):
        path = tmp_path / "elsewhere.bin"
        path.write_bytes(b"content")
        with pytest.raises(ValueError, match=r"elsewhere\.bin"):
            store.mark_current(path, "fingerprint")
        assert path.read_bytes() == b"content"


class TestFingerprint:
    def test_depends_on_parts_and_the_content_of_files(self):
        Path("f").write_bytes(b"1")
        first = store.fingerprint({"a": 1}, files=[Path("f")])
        assert first == store.fingerprint({"a": 1}, files=[Path("f")])
        assert first != store.fingerprint({"a": 2}, files=[Path("f")])
        assert first != store.fingerprint({"a": 1}, files=[])
        assert first != store.fingerprint({"a": 1}, 0, files=[Path("f")])
        Path("f").write_bytes(b"2")
        assert first != store.fingerprint({"a": 1}, files=[Path("f")])

    def test_digests(self):
        Path("f").write_bytes(b"abc")
        assert store.file_digest(Path("f")) == store.digest(b"abc")
        assert store.digest(b"abc").startswith("ba7816bf8f01cfea")


class TestKeepOnly:
    def test_deletes_what_is_not_wanted_and_empty_folders(self):
        wanted = [Path("out/a"), Path("out/deep/b")]
        for path in [
            *wanted,
            Path("out/x"),
            Path("out/deep/y"),
            Path("out/old/older/z"),
            Path("out/old/a"),
            Path("beside"),
        ]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(str(path)))
        store.keep_only(Path("out"), wanted)
        assert sorted(path for path in Path().rglob("*") if path.is_file()) == [Path("beside"), *wanted]
        assert not Path("out/old").exists()

    def test_of_a_folder_that_is_not_there(self):
        store.keep_only(Path("nothing"), [])

    def test_twice_changes_nothing(self):
        store.write_bytes(Path("out/a"), b"")
        for _ in range(2):
            store.keep_only(Path("out"), [Path("out/a")])
        assert Path("out/a").exists()
