"""Pin floating-point arithmetic: the same numbers on every x86-64 machine with AVX2; others compute, too."""

import ctypes
import logging
import mmap
import os
import platform
import warnings
from collections.abc import Mapping
from functools import cache
from threading import Lock

from pipeline.core.errors import InputError

PINNED = {
    "MKL_CBWR": "AVX2,STRICT",  # matrix products of torch: one code path, whatever the alignment and thread count
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's element-wise kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "NPY_ENABLE_CPU_FEATURES": "X86_V3",  # numpy's dispatched kernels; without AVX-512
    "OPENBLAS_CORETYPE": "Haswell",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # products on a GPU: the same sums, whatever else it does
    "NVIDIA_TF32_OVERRIDE": "0",  # and no shorter numbers in them
}
X86 = ("x86_64", "AMD64")
YES = bytes.fromhex("b801000000c3")  # mov eax, 1; ret
LIBRARY = "libtorch_cpu.so"
QUESTION = "mkl_serv_intel_cpu_true"  # MKL's function: is this processor Intel's?
KEEP = "PIPELINE_KEEP_MKL"
_LOG = logging.getLogger(__name__)
_ONE_AT_A_TIME = Lock()


def pin() -> None:
    """Set the environment that numpy and torch read once, when they are first imported: call this before that.

    Worker processes inherit it. The settings are not the user's to choose: results would depend on them. On other
    processors than x86-64 they do nothing, and torch, which would say so in every process, is not heard.
    """
    os.environ.update(PINNED)
    if platform.machine() not in X86:
        warnings.filterwarnings("ignore", "ignoring invalid value for ATEN_CPU_CAPABILITY")


def require_pinned(environment: Mapping[str, str] = os.environ) -> None:
    """Raise InputError unless the environment is pinned: call this where a worker begins to compute.

    Threads and processes that the pipeline starts inherit it; workers of a cluster that runs already do not, and their
    last bits would differ.
    """
    other = {name: environment.get(name) for name in PINNED if environment.get(name) != PINNED[name]}
    if other:
        required = " ".join(f"{name}={PINNED[name]}" for name in other)
        received = ", ".join(f"{name} {'unset' if value is None else repr(value)}" for name, value in other.items())
        raise InputError(f"a worker must be started with {required} in its environment, got {received}")


def heed_cbwr() -> None:
    """Let MKL heed `MKL_CBWR` on every processor; call this before torch first computes, in each thread that does.

    MKL heeds its AVX2 setting on Intel's processors only. On others, which run the same instructions, it takes kernels
    of its own choice, whose last bit differs in products narrower than 16 columns, in sqrt, exp and log. It asks one
    function whether the processor is Intel's; where that says no, it is made to say yes, in this process's memory,
    which is logged. A torch without MKL, as on ARM and on a Mac, has no such function and is left alone, as is every
    torch where `PIPELINE_KEEP_MKL` is set. Where the system does not let a process change its own code, one warning
    says that bits may differ.
    """
    import torch  # noqa: PLC0415  (seconds)

    path = os.path.join(torch.__path__[0], "lib", LIBRARY)
    if os.environ.get(KEEP) or not os.path.exists(path):
        return
    try:
        _say_yes(ctypes.CDLL(path))
    except OSError as error:
        _warn(" ".join(str(error).split()))


@cache
def _warn(reason: str) -> None:
    warnings.warn(f"the last bits of results may differ from other machines': {reason}", RuntimeWarning, stacklevel=3)


def _say_yes(library: ctypes.CDLL) -> None:
    with _ONE_AT_A_TIME:
        if not hasattr(library, QUESTION) or library[QUESTION]():
            return
        _overwrite(ctypes.cast(library[QUESTION], ctypes.c_void_p).value or 0, YES)
    _LOG.info("MKL takes this processor for Intel's in this process, for the same bits everywhere; not with %s=1", KEEP)


def _overwrite(address: int, code: bytes) -> None:
    start = address - address % mmap.PAGESIZE
    size = address + len(code) - start
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    readable = mmap.PROT_READ | mmap.PROT_EXEC
    for rights in (readable | mmap.PROT_WRITE, readable):
        if protect(start, size, rights):
            number = ctypes.get_errno()
            raise OSError(number, f"{os.strerror(number)} (the system must let a process change its own code)", "MKL")
        if rights & mmap.PROT_WRITE:
            ctypes.memmove(address, code, len(code))
