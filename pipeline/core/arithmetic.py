"""What a process computes with: pinned settings, as its libraries took them, their versions, and this code.

Workers of a cluster compute the same bits as this process where all of that is equal; any other one is refused.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.core.determinism import LIBRARY, PINNED, heed_cbwr
from pipeline.core.errors import InputError
from pipeline.core.fingerprint import package_digest

LIBRARIES = ("numpy", "torch", "scipy", "scikit-learn")
Arithmetic = Mapping[str, str]
"""What it is, by what is to be equal."""


@cache
def arithmetic() -> dict[str, str]:
    """What this process computes with; it imports torch, numpy and scipy, which read their settings then."""
    environment = {name: os.environ.get(name, "unset") for name in PINNED}
    versions = {name: _version(name) for name in LIBRARIES}
    python = ".".join(platform.python_version_tuple()[:2])
    return {**environment, **versions, "Python": python, "the pipeline's code": package_digest()[:12], **_as_taken()}


def require_same(expected: Arithmetic) -> None:
    """Raise InputError unless this process computes with what the one computes with that sent it work."""
    if difference := first_difference(arithmetic(), expected):
        raise InputError(f"worker on {platform.node()}, process {os.getpid()}: {difference}")


def first_difference(received: Arithmetic, expected: Arithmetic) -> str:
    """What a worker computes with otherwise, as it must be and as it is; "" where there is no difference."""
    for name, value in expected.items():
        if received.get(name) != value:
            return f"{name} must be {value}, as here, got {received.get(name, 'nothing')}"
    return ""


def _version(library: str) -> str:
    try:
        return version(library).partition("+")[0]  # of builds, results tell
    except PackageNotFoundError:
        return "not installed"


def _as_taken() -> dict[str, str]:
    """The kernels that libraries chose when they were imported, whatever the environment says by now, and a sample."""
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415  (seconds)
    from threadpoolctl import threadpool_info  # noqa: PLC0415

    sample = _sample()  # imports what else there is
    simd: Any = np.show_config(mode="dicts")
    is_wide = any(name == "X86_V4" or name.startswith("AVX512") for name in simd["SIMD Extensions"]["found"])
    blas = {each.get("architecture", "") for each in threadpool_info() if each["internal_api"] == "openblas"}
    return {
        "kernels of torch": torch.backends.cpu.get_cpu_capability(),
        "kernels of MKL": _mkl(Path(torch.__path__[0]) / "lib" / LIBRARY),
        "kernels of numpy": "AVX512" if is_wide else "AVX2",
        "kernels of OpenBLAS": " ".join(sorted(blas)),
        "a sample of results": sample,
    }


def _mkl(library: Path) -> str:
    """The number of MKL's branch of conditional numerical reproducibility; nothing where torch has no MKL."""
    try:
        return str(ctypes.CDLL(str(library)).mkl_serv_cbwr_get(-1))
    except (AttributeError, OSError):
        return ""


def _sample() -> str:
    """The digest of products, inverses, exponentials and logarithms of a few random numbers, by one thread."""
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from scipy.linalg import inv, svdvals  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    heed_cbwr()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as where networks are trained
    draws = np.random.Generator(np.random.Philox(0)).standard_normal((61, 37))
    single = torch.from_numpy(draws.astype(np.float32))
    with threadpool_limits(limits=1):
        results = [draws @ draws.T, np.exp(draws), np.linalg.inv(draws.T @ draws), inv(draws.T @ draws), svdvals(draws)]
    results += [each.numpy() for each in (single @ single.T, single.exp(), single.abs().log(), single.tanh())]
    torch.set_num_threads(threads)
    return sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in results)).hexdigest()[:12]
