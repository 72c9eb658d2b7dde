import ast
import errno
import inspect
import io
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core import paths
from pipeline.core.arrays import map_arrays, read_arrays, write_arrays
from pipeline.core.errors import InputError
from pipeline.core.files import (
    add_file,
    digest,
    discard,
    file_digest,
    keep_only,
    locked,
    read_json,
    write_bytes,
    write_csv,
    write_json,
)
from pipeline.core.memo import fill

ARRAYS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.arange(4), "empty": np.zeros((0, 3))}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()


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
        write_bytes(Path("data/b/c.bin"), b"content")
        assert Path("data/b/c.bin").read_bytes() == b"content"
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "data/b/c.bin"]

    @pytest.mark.parametrize("old", [None, b"old"])
    @pytest.mark.parametrize("failing", ["fsync", "write", "replace"])
    def test_a_failure_leaves_the_old_file_and_nothing_else(self, tmp_path, monkeypatch, failing, old):
        path = Path("data/file.json")
        if old:
            path.write_bytes(old)
        if failing == "fsync":
            monkeypatch.setattr(os, "fsync", full_disk)
        elif failing == "replace":
            monkeypatch.setattr(Path, "replace", full_disk)
        else:
            monkeypatch.setattr(Path, "open", lambda self, mode: FullDisk(io.FileIO(self, mode)))
        with pytest.raises(OSError, match="No space left") as caught:
            write_bytes(path, b"new content")
        monkeypatch.undo()
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == str(path)
        left = [one.relative_to(tmp_path) for one in tmp_path.rglob("*") if one.is_file()]
        assert left == ([path] if old else [])
        assert not old or (tmp_path / path).read_bytes() == old

    def test_an_interruption_leaves_the_old_file(self, tmp_path, monkeypatch):
        def interrupted(descriptor):
            raise KeyboardInterrupt

        write_bytes(Path("data/x"), b"old")
        monkeypatch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_bytes(Path("data/x"), b"new")
        assert [path.name for path in Path("data").iterdir()] == ["x"]
        assert Path("data/x").read_bytes() == b"old"

    def test_is_synced_before_it_is_renamed(self, monkeypatch):
        done = []
        fsync, replace = os.fsync, Path.replace
        monkeypatch.setattr(os, "fsync", lambda fd: (done.append("sync"), fsync(fd)))
        monkeypatch.setattr(Path, "replace", lambda self, to: (done.append("rename"), replace(self, to)))
        write_bytes(Path("data/x"), b"content")
        assert done == ["sync", "rename"]

    def test_a_folder_in_the_way(self):
        Path("data/x").mkdir()
        with pytest.raises(OSError, match="x") as caught:
            write_bytes(Path("data/x"), b"content")
        assert caught.value.filename == "data/x"
        assert [path.name for path in Path("data").iterdir()] == ["x"]


class TestJson:
    def test_is_deterministic_and_sorted(self):
        write_json(Path("data/a.json"), {"b": 1, "a": [0.1, None]})
        write_json(Path("data/b.json"), {"a": [0.1, None], "b": 1})
        assert Path("data/a.json").read_bytes() == Path("data/b.json").read_bytes()
        assert Path("data/a.json").read_bytes().endswith(b"}\n")
        assert list(read_json(Path("data/a.json"))) == ["a", "b"]

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_refuses_what_is_no_number(self, value):
        with pytest.raises(ValueError, match="JSON compliant"):
            write_json(Path("data/a.json"), {"x": value})
        assert not Path("data/a.json").exists()

    @pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe", b'{"a": 1} x'])
    def test_damage_is_one_line(self, content):
        if content is not None:
            Path("data/a.json").write_bytes(content)
        with pytest.raises(InputError, match=r"^data/a\.json: .*dvc repro") as caught:
            read_json(Path("data/a.json"))
        assert len(str(caught.value).splitlines()) == 1

    @settings(max_examples=30)
    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_numbers_come_back_exactly(self, number):
        write_json(Path("data/n.json"), number)
        assert read_json(Path("data/n.json")) == number


def test_csv():
    write_csv(Path("data/t.csv"), [{"b": 0.1, "a": "x,y"}, {"b": 2, "a": ""}], columns=["b", "a"])
    assert Path("data/t.csv").read_bytes() == b'b,a\n0.1,"x,y"\n2,\n'


class TestArrays:
    def test_come_back(self):
        write_arrays(Path("data/x.safetensors"), {**ARRAYS, "turned": ARRAYS["b"].T}, {"n": [1, "é"]})
        arrays, about = read_arrays(Path("data/x.safetensors"))
        assert about == {"n": [1, "é"]}
        assert arrays.keys() == {*ARRAYS, "turned"}
        for name, array in {**ARRAYS, "turned": ARRAYS["b"].T}.items():
            assert arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(arrays[name], array)

    def test_mapped_ones_are_the_same_and_writing_to_them_leaves_the_file(self):
        write_arrays(Path("data/x.safetensors"), ARRAYS, {"n": [1, "é"]})
        before = Path("data/x.safetensors").read_bytes()
        read, mapped = (how(Path("data/x.safetensors")) for how in (read_arrays, map_arrays))
        assert mapped[1] == read[1]
        assert mapped[0].keys() == read[0].keys()
        for name, array in read[0].items():
            assert (mapped[0][name].dtype, mapped[0][name].shape) == (array.dtype, array.shape)
            assert mapped[0][name].tobytes() == array.tobytes()
            mapped[0][name][:1] = 0
        assert Path("data/x.safetensors").read_bytes() == before

    @pytest.mark.parametrize("damage", [b"", b"short", b"\xff" * 64])
    def test_mapped_ones_of_a_damaged_file_are_refused(self, damage):
        Path("data/x.safetensors").write_bytes(damage)
        with pytest.raises(InputError, match=r"^data/x.safetensors: damaged .*; delete it and run `dvc repro`$"):
            map_arrays(Path("data/x.safetensors"))
        with pytest.raises(InputError, match=r"^data/y.safetensors: no such file; `dvc repro` makes it$"):
            map_arrays(Path("data/y.safetensors"))

    def test_bytes_are_deterministic(self):
        write_arrays(Path("data/1"), ARRAYS, {"b": 1, "a": 2})
        write_arrays(Path("data/2"), dict(reversed(ARRAYS.items())), {"a": 2, "b": 1})
        assert Path("data/1").read_bytes() == Path("data/2").read_bytes()

    def test_every_truncation_is_one_line(self):
        write_arrays(Path("data/x"), ARRAYS, {"n": 1})
        whole = Path("data/x").read_bytes()
        for length in range(0, len(whole), 7):
            Path("data/x").write_bytes(whole[:length])
            self.refused()

    @pytest.mark.parametrize(
        "damage", [lambda w: b"", lambda w: b"{}", lambda w: w + b"x", lambda w: b"\xff" * 8 + w[8:]]
    )
    def test_damage_is_one_line(self, damage):
        write_arrays(Path("data/x"), ARRAYS, {"n": 1})
        Path("data/x").write_bytes(damage(Path("data/x").read_bytes()))
        self.refused()

    @pytest.mark.parametrize("metadata", [None, {}, {"about": "{"}, {"other": "1"}])
    def test_a_foreign_file_is_one_line(self, metadata):
        from safetensors.numpy import save_file  # noqa: PLC0415

        save_file({"a": np.zeros(2)}, "data/x", metadata=metadata)
        self.refused()

    def test_a_missing_file_is_one_line(self):
        assert "no such file" in self.refused()

    def refused(self):
        with pytest.raises(InputError, match=r"^data/x: ") as caught:
            read_arrays(Path("data/x"))
        assert len(str(caught.value).splitlines()) == 1
        return str(caught.value)


class TestDigest:
    def test_digests(self):
        Path("f").write_bytes(b"abc")
        assert file_digest(Path("f")) == digest(b"abc")
        assert digest(b"abc").startswith("ba7816bf8f01cfea")


class TestKeepOnly:
    @staticmethod
    def made(*names):
        """Files that an earlier call has kept."""
        paths = [Path("data/mine") / name for name in names]
        for path in paths:
            write_bytes(path, b"made")
        keep_only(Path("data/mine"), paths)
        return paths

    def test_deletes_what_was_made_and_is_not_wanted_and_empty_folders(self):
        wanted = self.made("a", "deep/b", "x", "deep/y", "old/older/z", "old/a")[:2]
        write_bytes(Path("data/beside"), b"")
        keep_only(Path("data/mine"), wanted)
        assert sorted(path for path in Path("data").rglob("*") if path.is_file()) == [Path("data/beside"), *wanted]
        assert not Path("data/mine/old").exists()

    def test_what_nobody_has_made_is_left_alone(self):
        self.made("old/a.png")
        for name in ("b.png", "old/thesis.txt", ".hidden"):
            Path("data/mine", name).write_bytes(b"of a person")
        keep_only(Path("data/mine"), [])
        left = sorted(str(path) for path in Path("data").rglob("*") if path.is_file())
        assert left == ["data/mine/.hidden", "data/mine/b.png", "data/mine/old/thesis.txt"]

    def test_what_is_a_folder_now_is_left_alone(self):
        self.made("a")[0].unlink()
        write_bytes(Path("data/mine/a/b"), b"of a person")
        keep_only(Path("data/mine"), [])
        assert Path("data/mine/a/b").exists()

    @pytest.mark.parametrize(
        "content", ["", "{", "5", "null", '{"a": 1}', "[1]", '["../../kept"]', '["/kept"]', '["a\\u0000"]', "[" * 10**5]
    )
    def test_a_list_with_garbage_deletes_nothing_outside(self, tmp_path, content):
        for path in ("kept", "data/kept", "data/mine/kept"):
            write_bytes(Path("data/kept"), b"kept")
            Path(path).parent.mkdir(exist_ok=True)
            Path(path).write_bytes(b"kept")
        record = Path(".cache/made/data/mine.json")
        record.parent.mkdir(parents=True)
        record.write_text(content.replace("/kept", f"{tmp_path}/kept", 1) if content == '["/kept"]' else content)
        before = sorted(path for path in Path().rglob("kept"))
        keep_only(Path("data/mine"), [])
        assert sorted(path for path in Path().rglob("kept")) == before

    def test_of_a_folder_that_is_not_there(self):
        keep_only(Path("data/nothing"), [])

    def test_twice_changes_nothing(self):
        write_bytes(Path("data/mine/a"), b"")
        for _ in range(2):
            keep_only(Path("data/mine"), [Path("data/mine/a")])
        assert Path("data/mine/a").exists()

    def test_leaves_links_to_folders_alone(self, tmp_path):
        for name in ("full", "empty"):
            (tmp_path / f"elsewhere/{name}").mkdir(parents=True)
        Path("elsewhere/full/file").write_bytes(b"content")
        self.made("full/file", "file")[0].unlink()
        Path("data/mine/full").rmdir()
        for name in ("full", "empty"):
            Path(f"data/mine/{name}").symlink_to(tmp_path / f"elsewhere/{name}")
        keep_only(Path("data/mine"), [])
        assert Path("elsewhere/full/file").read_bytes() == b"content"
        assert all(Path(f"data/mine/{name}").is_dir() for name in ("full", "empty"))

    def test_a_folder_that_is_a_link_now_is_left_alone(self, tmp_path):
        self.made("file")[0].unlink()
        Path("data/mine").rmdir()
        (tmp_path / "elsewhere").mkdir()
        Path("elsewhere/file").write_bytes(b"content")
        Path("data/mine").symlink_to(tmp_path / "elsewhere")
        keep_only(Path("data/mine"), [])
        assert Path("elsewhere/file").read_bytes() == b"content"

    def test_wanted_files_may_be_absolute(self, tmp_path):
        write_bytes(Path("data/mine/a"), b"")
        keep_only(tmp_path / "data/mine", [Path("data/mine/a")])
        keep_only(Path("data/mine"), [tmp_path / "data/mine/a"])
        assert Path("data/mine/a").exists()


OUTSIDE = [
    *("", ".", "..", "/", "/tmp/x", "../x", "../../../x", "x", "dvc.yaml", "pipeline/x.py", "inputs/mine.csv"),
    *("data", "./reports", "data/..", "data/../x", "data/../../x", "data/../scores/x", "Data/x", "README.md/x"),
]


class TestAdding:
    @pytest.mark.parametrize(
        "place", ["", "..", "x", "inputs", "data/x", "inputs/../x", "/tmp/x", "../inputs/x", "./x"]
    )
    def test_files_are_added_to_inputs_alone(self, tmp_path, place):
        before = [*tmp_path.rglob("*")]
        with pytest.raises(ValueError, match=r"^path must lie below inputs, got"):
            add_file(Path(place), b"content")
        assert [*tmp_path.rglob("*")] == before

    def test_another_file_is_never_overwritten(self):
        path = Path("inputs/mine.csv")
        assert add_file(path, b"a")
        assert not add_file(path, b"a")
        with pytest.raises(FileExistsError):
            add_file(path, b"b")
        assert path.read_bytes() == b"a"
        assert [*path.parent.iterdir()] == [path]

    def test_a_full_disk_leaves_nothing(self, monkeypatch):
        monkeypatch.setattr(os, "link", full_disk)
        with pytest.raises(OSError, match="No space left") as caught:
            add_file(Path("inputs/mine.csv"), b"a")
        assert caught.value.filename == "inputs/mine.csv"
        assert not [*Path("inputs").iterdir()]

    def test_one_after_another(self):
        order = []

        def work(name):
            with locked(paths.PARAMS_LOCK):
                order.append(name)
                sleep(0.01)
                order.append(name)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, "abcd"))
        assert order[::2] == order[1::2]


class TestOutputs:
    """The file layer acts on the project's outputs and on nothing else."""

    @pytest.fixture
    def files(self, tmp_path, monkeypatch):
        """What all files of a project and of the folder around it hold, as a function."""
        for path in ("project/data/kept", "project/params.yaml", "project/inputs/mine.csv", "x/sentinel", "sentinel"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(b"kept")
        monkeypatch.chdir(tmp_path / "project")
        return lambda: {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}

    @pytest.mark.parametrize("place", [*OUTSIDE, "{above}/x", "{above}/project", "{above}/project/data/../../x"])
    @pytest.mark.parametrize(
        "act",
        [
            lambda path: write_bytes(path, b"new"),
            lambda path: write_json(path, {}),
            lambda path: write_csv(path, [], columns=["a"]),
            lambda path: write_arrays(path, ARRAYS, {}),
            lambda path: locked(path).__enter__(),
            lambda path: discard(path, within=Path("data/mine")),
            lambda path: discard(Path("data/mine/x"), within=path),
            lambda path: keep_only(path, []),
            lambda path: keep_only(Path("data/mine"), [path]),
            lambda path: fill({path: "0" * 64}, lambda _: [b"new"]),
        ],
        ids=["bytes", "json", "csv", "arrays", "locked", "discard", "within", "keep_only", "wanted", "fill"],
    )
    def test_nothing_else_is_touched(self, tmp_path, files, act, place):
        before = files()
        path = Path(place.format(above=tmp_path))
        with pytest.raises(ValueError, match="path must lie below data, ") as caught:
            act(path)
        assert str(caught.value).endswith(f"got {path}")
        assert files() == before

    def test_every_place_of_the_layout_is_one(self):
        functions = [
            f
            for f in vars(paths).values()
            if inspect.isfunction(f) and f not in (paths.output, paths.input_file, paths.topic_file)
        ]
        places = [function(*["name"] * len(inspect.signature(function).parameters)) for function in functions]
        assert len(places) > 10
        written = [*paths.REWRITTEN, paths.LEDGER, paths.PAGE, paths.TEXTBOOK_PAGE, paths.SUMMARY, paths.MEMO / "key"]
        assert [paths.output(path) for path in [*places, *written]] == [*places, *written]
        assert {path.parts[0] for path in [*places, paths.MEMO]} == {*paths.OUTPUTS}

    def test_an_output_folder_may_be_a_link(self, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        Path("scores").symlink_to(tmp_path / "elsewhere")
        write_bytes(Path("scores/x"), b"content")
        assert (tmp_path / "elsewhere/x").read_bytes() == b"content"

    def test_a_linked_file_is_replaced_not_followed(self, tmp_path):
        (tmp_path / "cached").write_bytes(b"old")
        Path("data/x").symlink_to(tmp_path / "cached")
        write_bytes(Path("data/x"), b"new")
        assert (tmp_path / "cached").read_bytes() == b"old"
        assert not Path("data/x").is_symlink()


WRITERS = {  # modules that write, move or delete files themselves, and why they may
    "core/files.py": "the file layer",
    "core/memo.py": "entries, by their fingerprints",
    "search/storage.py": "Optuna's journal, below studies/",
    "stages/add.py": "its own copy, where params.yaml could not be written",
    "stages/predict.py": "a new file that the user names",
    "stages/unlock.py": "DVC's lock files, which get another name",
    "tracking/model_folder.py": "a temporary folder",
    "tracking/writer.py": "a temporary folder",
    "tracking/client.py": "MLflow's database, made whole before it is there",
    "tracking/database.py": "a lock beside MLflow's database",
}
ACTS = {"unlink", "rmdir", "rmtree", "remove", "rename", "write_text", "write_bytes", "touch", "symlink_to", "link"}


def acts(node):
    """Whether a piece of code writes, moves or deletes a file: by a method's name, or by the mode of `open`."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    modes = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    opens = node.func.attr == "open" and any(re.fullmatch("[wax][bt+]*|r[bt]*[+][bt]*", mode) for mode in modes)
    return opens or node.func.attr in ACTS


def test_no_other_module_writes_or_deletes_files():
    package = Path(paths.__file__).parents[1]
    texts = {path.relative_to(package).as_posix(): path.read_text() for path in package.rglob("*.py")}
    words = re.compile("|".join([*sorted(ACTS), "open"]))  # others need no parsing
    found = {name for name, text in texts.items() if words.search(text) and any(map(acts, ast.walk(ast.parse(text))))}
    assert found == WRITERS.keys()
