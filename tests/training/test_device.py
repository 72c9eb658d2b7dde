"""Training on a GPU: on a simulated one, which checks all but its kernels; on a real one where there is one."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import equal, members_of, point, toy_data, toy_seeds
from simulated_device import Placed, simulated_device

from pipeline.config.points import STRENGTHS
from pipeline.core.errors import InputError
from pipeline.models.blocks import InBlocks, blocks
from pipeline.models.build import build
from pipeline.training import device
from pipeline.training.device import BLOCK, padded, place, prepare
from pipeline.training.fit import fit, fit_stack
from pipeline.training.memory import capacity, in_parts
from pipeline.training.rungs import fit_in_rungs
from pipeline.training.stack import Stack

STEPS = 50
SGD = {"optimizer": "sgd", "schedule": "cosine"}
LOSSES = {"focal_loss": 1.0, "confidence_penalty": 0.2, "label_smoothing": 0.1, "balance": "weights"}
EACH = [{name: 0.3} for name in STRENGTHS] + [dict.fromkeys(STRENGTHS, 0.3) | {"max_norm": 1.0}]
FAMILIES = {
    "every regularizer": [{}, *EACH, {"balance": "weights"}, {"learning_rate": 0.001}],
    "sgd": [SGD, {**SGD, "momentum": 0.3, "l2": 0.1, "weight_decay": 0.1}],
    "batch norm": [{**SGD, "batch_norm": True, **more} for more in ({}, {"dropout": 0.3, "r_drop": 1.0}, LOSSES)],
    "conv": [{"architecture": "conv", "hidden": [6, 5], **more} for more in ({}, {"dropout": 0.3, "max_norm": 1.0})],
    "gru": [{"architecture": "gru", "hidden": [16], **more} for more in ({}, {"dropout": 0.3, "mixup": 0.3})],
}
"""Batch norm has SGD: a bias before it has a gradient of rounding errors, of which Adam makes full steps."""
LONG = [name for name in FAMILIES if name != "sgd"]
TOLERANCE = (
    2e-4  # of logits: 50 steps amplify the 6e-8 of an operation; a wrong operation changes them by 0.01 and more
)

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")


def on_gpu(members):
    return [type(each)(each.point.model_copy(update={"device": "cuda"}), each.seed) for each in members]


def family(name, **changes):
    """The members of a family, with their data: rows for an epoch of 3 steps."""
    members = members_of([point(**{"epochs": -(-STEPS // 3), **row, **changes}) for row in FAMILIES[name]], (0, 1))
    return members, toy_seeds(members, features=25)


def assert_close(one, other):
    for split, logits in one.logits.items():
        np.testing.assert_allclose(other.logits[split], logits, atol=TOLERANCE, rtol=TOLERANCE)
    for name, values in one.history.items():
        if name.endswith("nll"):
            np.testing.assert_allclose(other.history[name], values, atol=TOLERANCE, rtol=TOLERANCE)


class TestOnASimulatedDevice:
    """Operands never lie in two places, and what comes out is what the CPU gives."""

    @pytest.mark.parametrize("name", ["sgd", *(pytest.param(name, marks=pytest.mark.slow) for name in LONG)])
    def test_it_agrees_with_the_cpu(self, name):
        members, data = family(name)
        assert -(-len(data[0].labels["train"]) // members[0].point.batch_size) * members[0].point.epochs >= STEPS
        expected = fit_stack(members, data, weights=True)
        with simulated_device(block=20):
            assert_close(expected, fit_stack(on_gpu(members), data, weights=True))

    @pytest.mark.slow
    @pytest.mark.parametrize("name", FAMILIES)
    def test_a_member_alone_is_the_member_in_company(self, name):
        members, data = family(name, epochs=1)
        with simulated_device():
            together = fit_stack(on_gpu(members), data, weights=True)
            assert equal(together.row(len(members) - 1), fit_stack(on_gpu(members[-1:]), data, weights=True))


class TestTheRest:
    """What a simulated device shows of early stopping, of rungs, of memory that does not suffice."""

    @pytest.mark.parametrize("rule", ["nll", "nll_calibrated"])
    def test_early_stopping(self, rule):
        members = members_of([point(early_stopping=rule, patience=p, learning_rate=0.1) for p in (0, 1)], (0, 1))
        data = toy_seeds(members)
        expected = fit_stack(members, data, weights=True)
        with simulated_device():
            fitted = fit_stack(on_gpu(members), data, weights=True)
        assert_close(expected, fitted)
        assert fitted.epochs.tolist() == expected.epochs.tolist()

    def test_rungs(self):
        points = [point(dropout=rate, averaging=0.9, mixup=0.2, early_stopping="nll") for rate in (0.0, 0.2, 0.5)]
        groups = [members_of([each], (0, 1)) for each in points]
        data = toy_seeds(groups[0])
        rungs = {"rungs": [1, 2], "survivors": lambda epoch, logits: sorted(logits)[: 3 - epoch]}
        expected = fit_in_rungs(groups, data, **rungs)
        with simulated_device():
            reached = fit_in_rungs([on_gpu(group) for group in groups], data, **rungs)
        assert reached.keys() == expected.keys() == {0}
        np.testing.assert_allclose(reached[0], expected[0], atol=TOLERANCE)

    def test_devices_are_not_stacked_together(self):
        members, data = family("sgd", epochs=1)
        with simulated_device():
            here, there = fit([members, on_gpu(members)], data)
        assert equal(here, fit([members], data)[0])
        assert_close(here, there)

    @pytest.mark.parametrize("most", [4, 9])
    def test_a_stack_that_memory_does_not_hold_is_trained_in_parts(self, monkeypatch, most):
        members = members_of([point(dropout=rate, epochs=1) for rate in (0.0, 0.1, 0.2, 0.3, 0.4)], (0, 1))
        data = toy_seeds(members)

        def full(stack, epoch, run=Stack.run_epoch):
            if len(stack.points) > most:
                raise torch.OutOfMemoryError
            run(stack, epoch)

        with simulated_device():
            expected = fit([on_gpu(members)], data)[0]
            monkeypatch.setattr(Stack, "run_epoch", full)
            assert equal(expected, fit([on_gpu(members)], data)[0])
            rungs = fit_in_rungs([on_gpu(members)], data, rungs=[], survivors=lambda *_: ())
        np.testing.assert_array_equal(rungs[0], expected.logits["validation"])

    def test_it_refuses_what_a_gpu_refuses(self):
        with simulated_device():
            there = place(torch.ones(3), "cuda")
        with pytest.raises(AssertionError, match="on the device and elsewhere"):
            there + torch.ones(3)
        with pytest.raises(RuntimeError, match="numpy"):
            there.numpy()
        assert isinstance(there * 2, Placed)
        assert (there * 2).cpu().tolist() == [2, 2, 2]


class TestInParts:
    @given(st.integers(1, 700), st.integers(1, 9).map(lambda blocks: blocks * BLOCK), st.integers(1, 9))
    def test_all_items_come_back_in_order_and_never_more_than_fit(self, count, size, fitting):
        def work(items):
            if len(items) > fitting * BLOCK:
                raise torch.OutOfMemoryError
            return items

        parts = in_parts(work, list(range(count)), size)
        assert [item for part in parts for item in part] == list(range(count))
        assert all(len(part) <= size for part in parts)

    def test_without_the_memory_for_a_block_there_is_one_line(self):
        def work(items):
            raise torch.OutOfMemoryError

        with pytest.raises(InputError, match="device: must have the memory for 64 networks at once, got too little"):
            in_parts(work, list(range(500)), 512)

    def test_other_errors_are_not_retried(self):
        with pytest.raises(ZeroDivisionError):
            in_parts(lambda items: 1 // 0, [1], BLOCK)

    @given(st.integers(0, 1 << 40), st.integers(1, 300), st.integers(1, 300))
    def test_capacity_is_whole_blocks_that_fit(self, free, features, batch):
        network = build(point(), features, 3)
        members = capacity(network, features=features, batch=batch, free=free)
        assert members >= BLOCK
        assert members % BLOCK == 0
        assert members == BLOCK or members * 4 * network.layout.size * 4 <= free  # weights, gradient, two moments
        assert members <= capacity(network, features=features, batch=batch, free=2 * free)


class TestTheParts:
    @pytest.mark.parametrize(("members", "size"), [(1, 2), (2, 2), (3, 3), (65, 65)])
    def test_a_lone_member_is_two_on_the_cpu(self, members, size):
        assert len(padded(range(members), "cpu")) == size

    @pytest.mark.parametrize(("members", "size"), [(1, 64), (64, 64), (65, 128), (129, 192)])
    def test_members_fill_blocks_on_a_gpu(self, members, size):
        filled = padded(range(members), "cuda")
        assert filled[:members] == list(range(members))
        assert len(filled) == size
        assert set(filled) == set(range(members))

    def test_blocks_have_one_size(self):
        assert blocks(6, 2) == [slice(0, 2), slice(2, 4), slice(4, 6)]
        with pytest.raises(AssertionError):
            blocks(5, 2)

    def test_a_network_in_blocks_is_the_network(self):
        network = build(point(dropout=0.5), 7, 3)
        split = InBlocks(network, 3)
        flat = torch.from_numpy(np.stack([network.initial(seed) for seed in range(6)]))
        x = torch.from_numpy(np.stack([toy_data(seed).features["train"][:5] for seed in range(6)]))
        masks = [torch.ones(6, *shape) * 2 for shape in network.masks(5)]
        arrays = network.layout.views(flat)
        assert torch.equal(split.predict(arrays, x, masks), network.predict(arrays, x, masks))
        assert (split.layout, split.block, split.limited) == (network.layout, network.block, network.limited)

    def test_a_device_that_is_not_there_ends_in_one_line(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        members, data = family("sgd", epochs=1)
        with pytest.raises(InputError, match=r"^device: cuda needs a GPU that torch can use, got torch [^\n]*$"):
            fit([on_gpu(members)], data)

    def test_the_cpu_leaves_a_process_as_it_was(self, monkeypatch):
        monkeypatch.setattr(device, "_pin_kernels", lambda: pytest.fail("pinned a GPU"))
        prepare("cpu")
        assert not torch.are_deterministic_algorithms_enabled()


@needs_gpu
@pytest.mark.parametrize("name", FAMILIES)
class TestOnAGpu:
    def test_the_same_bits_twice(self, name):
        members, data = family(name)
        assert equal(*(fit_stack(on_gpu(members), data, weights=True) for _ in range(2)))

    def test_it_agrees_with_the_cpu(self, name):
        members, data = family(name)
        assert_close(fit_stack(members, data, weights=True), fit_stack(on_gpu(members), data, weights=True))

    def test_a_member_alone_is_the_member_in_company(self, name):
        members, data = family(name)
        company = on_gpu(members * (1 + 2 * BLOCK // len(members)))
        together = fit_stack(company, data, weights=True)
        for row in (0, len(members) - 1, len(company) - 1):
            assert equal(together.row(row), fit_stack(company[row : row + 1], data, weights=True))
