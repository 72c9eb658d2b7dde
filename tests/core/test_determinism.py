import errno
import os
import platform
import subprocess
import sys
import warnings
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from pipeline.core import determinism
from pipeline.core.determinism import PINNED, X86
from pipeline.core.errors import InputError

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "mlflow", "pandas", "sklearn", "scipy.stats", "matplotlib", "optuna", "dvc"}
# found with MKL's kernels for Intel processors, on processors of two vendors
PRODUCTS = "494dac9c6b7f9bd0e34d5f7b9d82d2a767109767dbfbfa35bb910099c496af82"
TRAINED = "c13010bcafbcb4e9fd59f87dbc11caaea4dd38c2b6c21399f5f6d7e78541f02b"
DIGEST = """
from pipeline.core.determinism import pin
pin()
import sys
sys.path.insert(0, "tests")
import hashlib
import torch
torch.set_num_threads(int(sys.argv[1]))
from oracles import members_of, point, toy_seeds
from pipeline.training.fit import fit_stack
wide = {"hidden": (128, 128), "batch_size": 64, "epochs": 2, "mixup": 0.4, "early_stopping": "nll_calibrated"}
points = [point(**wide, dropout=rate) for rate in (0, 0.2, 0.5)]
members = members_of(points, range(4))
data = toy_seeds(members, rows={"train": 140, "validation": 300, "test": 20})
fitted = fit_stack(members, data, threads=int(sys.argv[1]))
digest = hashlib.sha256()
for part in (fitted.epochs, *fitted.logits.values(), *fitted.history.values()):
    digest.update(part.tobytes())
heavy = {"mlflow", "pandas", "sklearn", "matplotlib", "dvc"}
print(digest.hexdigest(), torch.get_num_threads(), *heavy & sys.modules.keys())
"""


def python(code, *arguments, **environment):
    """Run code in a fresh interpreter, whose environment nobody has pinned."""
    clean = {name: value for name, value in os.environ.items() if name not in PINNED}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, env={**clean, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def loaded_by(*modules):
    """Which slow packages a fresh interpreter has in memory after importing modules."""
    return set(python(f"import sys\nfor name in {modules}: __import__(name)\nprint(*{HEAVY} & sys.modules.keys())"))


on_x86 = pytest.mark.skipif(platform.machine() not in X86, reason="bits are those of x86-64 processors")


@on_x86
class TestPinning:
    """The tests run under the arithmetic that the pipeline runs under."""

    def test_the_environment_is_pinned(self):
        assert PINNED["MKL_CBWR"] == "AVX2,STRICT"
        assert {name: os.environ.get(name) for name in PINNED} == PINNED

    def test_torch_found_avx2(self):
        import torch  # noqa: PLC0415

        assert torch.backends.cpu.get_cpu_capability() == "AVX2"

    def test_numpy_found_avx2_and_nothing_newer(self):
        from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__  # noqa: PLC0415

        assert {target for target in __cpu_dispatch__ if __cpu_features__[target]} == {"X86_V3"}

    def test_torch_products_take_the_pinned_path(self):
        """A product has the same bits wherever a row lies: without MKL_CBWR this may differ."""
        import torch  # noqa: PLC0415

        draw = torch.Generator().manual_seed(0)
        a, b = torch.randn(6, 33, 65, generator=draw), torch.randn(6, 65, 17, generator=draw)
        whole = torch.bmm(a, b)
        for member in range(6):
            shifted = torch.empty(33 * 65 + 3)[3:].view(33, 65).copy_(a[member])
            assert np.array_equal(torch.bmm(shifted[None], b[member : member + 1])[0], whole[member])

    def test_products_and_roots_are_those_of_every_processor(self):
        """MKL has kernels of its own for narrow products, sqrt, exp and log on processors that are not Intel's."""
        import torch  # noqa: PLC0415

        a, b = (
            torch.from_numpy(np.random.default_rng(0).random(shape, np.float32))
            for shape in ((6, 35, 128), (6, 128, 3))
        )
        made = (torch.bmm(a, b), torch.bmm(a.transpose(1, 2), a), *(f(a) for f in (torch.sqrt, torch.exp, torch.log)))
        assert sha256(b"".join(part.numpy().tobytes() for part in made)).hexdigest() == PRODUCTS

    def test_heeding_again_changes_nothing(self):
        determinism.heed_cbwr()
        self.test_products_and_roots_are_those_of_every_processor()

    @pytest.mark.slow
    def test_threads_may_heed_at_once(self):
        heed = (
            "from pipeline.core.determinism import pin, heed_cbwr\npin()\n"
            "from concurrent.futures import ThreadPoolExecutor\n"
        )
        all_at_once = (
            "with ThreadPoolExecutor(16) as pool:\n    print(len([*pool.map(lambda _: heed_cbwr(), range(64))]))"
        )
        assert python(heed + all_at_once) == ["64"]


class TestUnpinned:
    """What another's worker would compute has other bits: nothing is computed."""

    @pytest.mark.parametrize("name", PINNED)
    def test_the_variable_is_named_with_what_is_required_and_what_was_found(self, name):
        required = rf"{name}={PINNED[name]} in its environment, got {name} "
        with pytest.raises(InputError, match=f"{required}unset$"):
            determinism.require_pinned({key: value for key, value in PINNED.items() if key != name})
        with pytest.raises(InputError, match=f"{required}'other'$"):
            determinism.require_pinned({**PINNED, name: "other"})

    def test_a_pinned_environment_is_enough(self):
        determinism.require_pinned(PINNED)
        determinism.require_pinned()

    @pytest.mark.slow
    def test_a_worker_that_nobody_pinned_trains_nothing(self):
        code = (
            "from pipeline.training.fit import fit_stack\n"
            "try:\n    fit_stack([], {})\nexcept ValueError as error:\n    print(type(error).__name__, error)"
        )
        words = python(code)
        assert words[0] == "InputError"
        assert {f"{name}={value}" for name, value in PINNED.items()} <= set(words)

    @pytest.mark.parametrize("work", ["train", "score", "measure", "probe", "audit"])
    def test_no_kind_of_work_begins(self, work, monkeypatch):
        from pipeline.stages import scores  # noqa: PLC0415
        from pipeline.textbook import cell_metrics, estimator_audit, weight_statistics  # noqa: PLC0415
        from pipeline.training import rungs  # noqa: PLC0415

        begin = {
            "train": lambda: rungs._train_on(rungs._Part([]), [], {}, until=1, tick=None),
            "score": lambda: scores._score_members(Path("nosuch"), b"", "", None),
            "measure": lambda: cell_metrics.prediction_scores(None),
            "probe": lambda: weight_statistics._two_by_two(0, None),
            "audit": lambda: estimator_audit.simulate(None, None, truth=None, rows=1, draws=None),
        }
        monkeypatch.delenv("MKL_CBWR")
        with pytest.raises(InputError, match="MKL_CBWR"):
            begin[work]()


class Mkl:
    """MKL, as far as it is asked whether the processor is Intel's."""

    def __init__(self, *, intel):
        self.intel = intel
        self.mkl_serv_intel_cpu_true = lambda: self.intel

    def __getitem__(self, name):
        return getattr(self, name)


class TestPlatforms:
    """MKL is changed where it takes the processor for another's, and nowhere else; go on where that is impossible."""

    @pytest.fixture(autouse=True)
    def _not_warned_yet(self, caplog):
        determinism._warn.cache_clear()
        caplog.set_level("INFO")
        yield
        determinism._warn.cache_clear()

    @pytest.fixture
    def changed(self, monkeypatch):
        """The codes written over MKL's function."""
        codes = []
        monkeypatch.setattr(determinism, "_overwrite", lambda _, code: codes.append(code))
        return codes

    def of(self, library, monkeypatch):
        monkeypatch.setattr(determinism.ctypes, "CDLL", lambda _: library)
        monkeypatch.setattr(determinism.ctypes, "cast", lambda *_: determinism.ctypes.c_void_p(1))

    def test_one_line_is_logged_where_mkl_says_no(self, monkeypatch, changed, caplog):
        self.of(Mkl(intel=0), monkeypatch)
        determinism.heed_cbwr()
        assert changed == [determinism.YES]
        assert ["MKL" in line for line in caplog.messages] == [True]

    @pytest.mark.parametrize("library", [Mkl(intel=1), object()], ids=["intel", "no MKL"])
    def test_other_processors_and_libraries_are_left_alone(self, library, monkeypatch, changed, caplog):
        self.of(library, monkeypatch)
        determinism.heed_cbwr()
        assert (changed, caplog.messages) == ([], [])

    @pytest.mark.parametrize("chosen", [True, False], ids=["by choice", "no such library"])
    def test_nothing_is_asked_elsewhere(self, chosen, monkeypatch):
        def unasked(_):
            raise AssertionError

        monkeypatch.setattr(determinism.ctypes, "CDLL", unasked)
        if chosen:
            monkeypatch.setenv(determinism.KEEP, "1")
        else:
            monkeypatch.setattr(determinism, "LIBRARY", "libtorch_cpu.dylib")  # a Mac's
        determinism.heed_cbwr()

    def test_without_the_right_to_change_code_one_warning_says_so(self, monkeypatch):
        def refuse(*_):
            raise refused

        refused = OSError(errno.EACCES, "Permission denied", "MKL")
        self.of(Mkl(intel=0), monkeypatch)
        monkeypatch.setattr(determinism, "_overwrite", refuse)
        with pytest.warns(RuntimeWarning, match="may differ.*Permission denied"):
            determinism.heed_cbwr()
        determinism.heed_cbwr()  # another warning would be an error

    @on_x86
    def test_this_machines_function_says_yes_by_now(self):
        import torch  # noqa: PLC0415

        determinism.heed_cbwr()
        library = determinism.ctypes.CDLL(str(Path(torch.__path__[0]) / "lib" / determinism.LIBRARY))
        assert library[determinism.QUESTION]() == 1

    @pytest.mark.parametrize(("machine", "quiet"), [("arm64", True), ("aarch64", True), ("x86_64", False)])
    def test_torch_does_not_complain_of_avx2_on_another_processor(self, machine, quiet, monkeypatch):
        monkeypatch.setattr(platform, "machine", lambda: machine)
        with warnings.catch_warnings(record=True, action="always") as caught:
            determinism.pin()
            warnings.warn(
                f"ignoring invalid value for ATEN_CPU_CAPABILITY: {PINNED['ATEN_CPU_CAPABILITY']}", stacklevel=1
            )
        assert (not caught) == quiet


class TestWhatIsImported:
    def test_lower_modules_import_nothing_slow(self):
        """Reading parameters, drawing data and storing files start at once."""
        names = ("core.files", "core.rng", "config.params", "data.storage")
        assert loaded_by(*(f"pipeline.{name}" for name in names)) == set()

    def test_scoring_imports_neither_torch_nor_mlflow(self):
        names = ("evaluation.members", "statistics.paired_comparison", "results.comparison")
        assert not loaded_by(*(f"pipeline.{name}" for name in names)) & {"torch", "mlflow", "pandas", "sklearn"}

    @pytest.mark.slow
    def test_training_imports_torch_but_not_the_rest(self):
        assert loaded_by("pipeline.training.fit") & {"torch", "mlflow", "pandas", "sklearn", "matplotlib", "dvc"} == {
            "torch"
        }

    def test_importing_does_not_change_the_environment(self):
        modules = "pipeline.core.determinism, pipeline.config.params"
        code = f"import os; a = dict(os.environ); import {modules}; print(a == os.environ)"
        assert python(code) == ["True"]


@on_x86
@pytest.mark.slow
def test_threads_and_processes_change_no_bit():
    one, two = (python(DIGEST, threads, OMP_NUM_THREADS=threads) for threads in ("1", "2"))
    assert one[0] == two[0] == TRAINED
    assert (one[1:], two[1:]) == (["1"], ["2"])  # and fitting loads none of the heavy packages
