from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, one_hot

from pipeline.core.rng import Purpose, uniform16
from pipeline.training import regularizers

RATES = (0.0, 0.2, 0.5, 0.8)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def probabilities(*shape):
    return torch.softmax(normal(*shape, seed=9), -1)


def each(*values):
    return torch.tensor(values, dtype=torch.float64)


def masks(rates, batch=40, width=50):
    draws = np.stack([uniform16(0, Purpose.DROPOUT, 0, batch * width)] * len(rates)).reshape(len(rates), batch, width)
    thresholds, scales = regularizers.dropout_thresholds(rates)
    out = torch.empty(draws.shape, dtype=torch.float64)
    return regularizers.dropout_mask(
        torch.from_numpy(draws), torch.from_numpy(thresholds), torch.from_numpy(scales), out=out
    )


@given(st.floats(0, 1, exclude_max=True))
def test_dropout_keeps_the_mean_exactly(rate):
    """Over all 65536 uniforms the mask sums to 65536: the scale belongs to the rounded rate."""
    (threshold,), (scale,) = regularizers.dropout_thresholds([rate])
    kept = np.count_nonzero(np.arange(-32768, 32768) >= threshold)
    assert scale == 65536 / kept
    assert abs(1 - kept / 65536 - rate) <= 1 / 65536


def test_dropout_rate_and_mean():
    size = 10**6
    drawn = torch.from_numpy(uniform16(5, Purpose.DROPOUT, 1, size))
    for rate in RATES:
        thresholds, scales = (torch.from_numpy(values) for values in regularizers.dropout_thresholds([rate]))
        mask = regularizers.dropout_mask(drawn.view(1, 1, -1), thresholds, scales, out=torch.empty(1, 1, size))
        sigma = np.sqrt(rate * (1 - rate) / size)
        assert abs((mask == 0).double().mean().item() - rate) <= 5 * sigma + 1 / 65536
        assert abs(mask.double().mean().item() - 1) <= 5 * sigma / (1 - rate) + 1e-6
        assert set(mask.unique().tolist()) <= {0.0, np.float32(scales[0].item())}


def test_dropout_masks_are_nested():
    """Common random numbers: what a weak dropout drops, a strong one drops too."""
    dropped = masks(RATES) == 0
    for weak, strong in pairwise(dropped):
        assert (strong | ~weak).all()
    assert not dropped[0].any()


def test_mixup_mixes_each_row_with_its_neighbour():
    x, y = normal(2, 5, 3), probabilities(2, 5, 4)
    mixed, targets = regularizers.mixup(x, y, each(0.3, 1.0))
    for row in range(5):
        torch.testing.assert_close(mixed[0, row], 0.3 * x[0, row] + 0.7 * x[0, row - 1], rtol=1e-14, atol=1e-14)
        torch.testing.assert_close(targets[0, row], 0.3 * y[0, row] + 0.7 * y[0, row - 1], rtol=1e-14, atol=1e-14)
    assert torch.equal(mixed[1], x[1])
    assert torch.equal(targets[1], y[1])


def ranks_of(x):
    return torch.argsort(normal(*x.shape, seed=4), -1).to(torch.int16)


def test_cutmix_takes_features_and_their_share_of_the_target():
    x, y = normal(3, 5, 8), probabilities(3, 5, 4)
    mixed, targets = regularizers.cutmix(x, y, ranks_of(x), each(0, 2, 8))
    assert torch.equal(mixed[0], x[0])
    assert torch.equal(targets[0], y[0])
    assert ((mixed[1] != x[1]).sum(-1) == 2).all()
    assert ((mixed[1] == x[1]) | (mixed[1] == x[1].roll(1, 0))).all()
    torch.testing.assert_close(targets[1], 0.75 * y[1] + 0.25 * y[1].roll(1, 0), rtol=1e-14, atol=1e-14)
    assert torch.equal(mixed[2], x[2].roll(1, 0))
    torch.testing.assert_close(targets[2], y[2].roll(1, 0))


def test_cutout_sets_features_to_their_mean():
    x = normal(3, 5, 8)
    cut = regularizers.cutout(x, ranks_of(x), each(0, 3, 8))
    assert torch.equal(cut[0], x[0])
    assert ((cut[1] == 0).sum(-1) == 3).all()
    assert ((cut[1] == 0) | (cut[1] == x[1])).all()
    assert not cut[2].any()


def test_input_noise_adds_its_share():
    x, normals = normal(2, 5, 3), normal(2, 5, 3, seed=2)
    noisy = regularizers.input_noise(x, normals, each(0, 0.5))
    assert torch.equal(noisy[0], x[0])
    torch.testing.assert_close(noisy[1], x[1] + 0.5 * normals[1], rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("epsilon", [0.0, 0.05, 0.2, 0.9])
def test_smooth_targets_give_torchs_label_smoothing(epsilon):
    logits, labels = normal(6, 4).requires_grad_(), torch.tensor([0, 1, 2, 3, 3, 1])
    targets = regularizers.smooth_targets(one_hot(labels, 4).double()[None], each(epsilon))[0]
    loss = -(targets * torch.log_softmax(logits, -1)).sum(-1).mean()
    expected = cross_entropy(logits, labels, label_smoothing=epsilon)
    torch.testing.assert_close(loss, expected, rtol=1e-14, atol=1e-14)
    expected.backward()
    torch.testing.assert_close(logits.grad, ((torch.softmax(logits, -1) - targets) / 6).detach(), rtol=0, atol=1e-15)
    torch.testing.assert_close(targets.sum(-1), torch.ones(6).double(), rtol=0, atol=1e-15)
    if not epsilon:
        assert torch.equal(targets, one_hot(labels, 4).double())


def test_l2_is_the_gradient_of_half_the_squared_norm():
    weights, gradient, strength = normal(2, 7).requires_grad_(), normal(2, 7, seed=1), each(0.0, 0.3)
    (strength / 2 * (weights**2).sum(1)).sum().backward()
    mine = gradient.clone()
    regularizers.add_l2(mine, weights.detach(), strength)
    torch.testing.assert_close(mine, gradient + weights.grad, rtol=1e-14, atol=1e-14)
    assert torch.equal(mine[0], gradient[0])


def test_decay_shrinks():
    weights = normal(2, 7)
    shrunk = weights.clone()
    regularizers.decay(shrunk, each(0.0, 0.25))
    assert torch.equal(shrunk[0], weights[0])
    torch.testing.assert_close(shrunk[1], 0.75 * weights[1], rtol=1e-14, atol=1e-14)


def test_norms_into_a_unit_are_limited():
    weight = normal(3, 6, 4)
    weight[1, :, 2] = 0
    limited = weight.clone()
    regularizers.limit_norm(limited, each(float("inf"), 1.5, 0.5))
    assert torch.equal(limited[0], weight[0])
    for member, limit in ((1, 1.5), (2, 0.5)):
        for unit in range(4):
            norm = weight[member, :, unit].norm()
            expected = weight[member, :, unit] * (limit / norm if norm > limit else 1)
            torch.testing.assert_close(limited[member, :, unit], expected, rtol=1e-14, atol=1e-14)


def test_average_starts_as_a_plain_mean_and_then_forgets():
    seen = normal(12, 3, 5)
    running = torch.zeros(3, 5, dtype=torch.float64)
    for step, current in enumerate(seen):
        regularizers.average(running, current, each(0.0, 0.999, 0.5), step)
        assert torch.equal(running[0], current[0])
        torch.testing.assert_close(running[1], seen[: step + 1, 1].mean(0), rtol=1e-12, atol=1e-12)
    expected = seen[0, 2].clone()
    for current in seen[1:, 2]:
        expected = (expected + current) / 2
    torch.testing.assert_close(running[2], expected, rtol=1e-12, atol=1e-12)
