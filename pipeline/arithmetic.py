"""Pin floating-point arithmetic, so that the same numbers come out on every x86-64 machine with AVX2."""

import os

PINNED = {
    "MKL_CBWR": "AVX2,STRICT",  # matrix products of torch: one code path, whatever the alignment and thread count
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's element-wise kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "NPY_ENABLE_CPU_FEATURES": "X86_V3",  # numpy's dispatched kernels; without AVX-512
    "OPENBLAS_CORETYPE": "Haswell",
}


def pin() -> None:
    """Set the environment that numpy and torch read once, when they are first imported: call this before that.

    Worker processes inherit it. The settings are not the user's to choose: results would depend on them.
    """
    os.environ.update(PINNED)
