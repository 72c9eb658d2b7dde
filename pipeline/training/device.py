"""The device that trains a stack: where its tensors lie, how many members its kernels are given, its arithmetic pinned.

A graphics processor's kernels, and with them the last bits, may depend on how many members they are given. A stack is
filled up to whole blocks there, and every matrix product is of one block (`models.blocks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from pipeline.core.determinism import heed_cbwr, require_pinned
from pipeline.core.errors import InputError

CPU = "cpu"
BLOCK = 64  # members of a product on a GPU: about what fills one; results depend on it
Item = TypeVar("Item")


def require(device: str) -> None:
    """Raise InputError unless torch can train on this device."""
    if device != CPU and (reason := _missing()):
        raise InputError(f"device: {device} needs a GPU that torch can use, got {reason}")


def prepare(*devices: str, threads: int = 1) -> None:
    """Pin the arithmetic of the CPU and of devices in the calling thread: call this where a worker begins to compute.

    Args:
        devices: that will train.
        threads: inside the CPU's kernels.

    Raises:
        InputError: the environment is not pinned, or torch cannot use a device.
    """
    require_pinned()
    heed_cbwr()
    torch.set_num_threads(threads)
    for device in {*devices} - {CPU}:
        require(device)
        _pin_kernels()


def place(tensor: Tensor, device: str) -> Tensor:
    """The tensor on the device; itself where that is the CPU."""
    return tensor if device == CPU else _send(tensor, device)


def pinned(tensor: Tensor, device: str) -> Tensor:
    """The tensor where the device can read it while the CPU goes on; itself where that is the CPU."""
    return tensor if device == CPU else _pin(tensor)


def padded(members: Sequence[Item], device: str) -> list[Item]:
    """The members, repeated in their order until the device may train them.

    On the CPU a lone member trains twice: a single matrix product may take another kernel than a batch of them does.
    On a GPU they fill whole blocks.
    """
    size = max(2, len(members)) if device == CPU else -(-len(members) // BLOCK) * BLOCK
    return [members[place % len(members)] for place in range(size)]


def _missing() -> str:
    """Why torch can use no GPU, or ''."""
    if torch.cuda.is_available():
        return ""
    return f"torch {torch.__version__}, which {'finds none' if torch.version.cuda else 'is built for the CPU alone'}"


def _pin_kernels() -> None:
    """No TF32, no algorithm whose result depends on the order of threads, one library of products."""
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    torch.backends.cudnn.fp32_precision = "ieee"
    torch.backends.cuda.preferred_blas_library("cublas")
    torch.use_deterministic_algorithms(True)
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010  (unknown to its types)


def _pin(tensor: Tensor) -> Tensor:
    """A copy in pinned memory, which torch uses again when the device has read it; itself where it is there."""
    return tensor.pin_memory()


def _send(tensor: Tensor, device: str) -> Tensor:
    """A copy on the device, which nobody waits for."""
    return _pin(tensor).to(device, non_blocking=True)
