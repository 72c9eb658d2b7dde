"""A device that computes with the CPU, and refuses what a GPU refuses: operands that lie elsewhere, and being read."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from torch.utils._pytree import tree_flatten, tree_map

from pipeline.training import device, memory, stack


class Placed(torch.Tensor):
    """A tensor on the device: `inner` holds its numbers, which numpy cannot see."""

    @staticmethod
    def __new__(cls, inner):
        sizes = {"strides": inner.stride(), "storage_offset": inner.storage_offset()}
        placed = torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype, device="meta", **sizes)
        placed.inner = inner
        return placed

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
        elsewhere = [each for each in given if not isinstance(each, Placed) and each.dim()]
        if elsewhere:
            raise AssertionError(f"{operation} has operands on the device and elsewhere")
        fetched = kwargs.get("device") == torch.device("cpu")
        if not fetched and kwargs.get("device") is not None:
            kwargs = {**kwargs, "device": torch.device("cpu")}
        result = operation(*tree_map(_inner, args), **tree_map(_inner, kwargs))
        if fetched:
            return result.clone()
        known = {id(each.inner): each for each in given if isinstance(each, Placed)}
        with torch.inference_mode(torch.is_inference_mode_enabled() and given[0].is_inference()):
            return tree_map(lambda each: _wrapped(each, known), result)


def _inner(value):
    return value.inner if isinstance(value, Placed) else value


def _wrapped(value, known):
    """What an operation filled is the tensor that it was given."""
    if not isinstance(value, torch.Tensor):
        return value
    return known[id(value)] if id(value) in known else Placed(value)


@contextmanager
def simulated_device(*, block: int = 4, free: int = 1 << 30) -> Iterator[None]:
    """Have `cuda` be the simulation, with products of so many members and so many free bytes."""
    with ExitStack() as patches:
        for module in (device, memory, stack):
            patches.enter_context(mock.patch.object(module, "BLOCK", block))
        patches.enter_context(mock.patch.object(memory, "free_bytes", return_value=free))
        patches.enter_context(
            mock.patch.multiple(device, _missing=lambda: "", _pin_kernels=lambda: None, _pin=lambda each: each)
        )
        patches.enter_context(mock.patch.object(device, "_send", lambda tensor, _: Placed(tensor.clone())))
        yield
