from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from pipeline.networks import ALIGNMENT, Architecture, Workspace, initial, layout, predict

WIDTHS = (7, 13, 9, 3)


@pytest.fixture(params=[False, True], ids=["plain", "batch_norm"])
def architecture(request):
    return Architecture(WIDTHS, request.param)


def random_flat(architecture, members=2, seed=0):
    plan = layout(architecture)
    flat = torch.randn(members, plan.size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    for name, array in plan.views(flat).items():
        if name.startswith("variance"):
            array.abs_()
    return flat


def module(architecture, arrays, member):
    """The member as an ordinary module."""
    layers = []
    for layer, sizes in enumerate(pairwise(architecture.widths)):
        linear = nn.Linear(*sizes).double()
        linear.weight.data = arrays[f"weight{layer}"][member].T.clone()
        linear.bias.data = arrays[f"bias{layer}"][member, 0].clone()
        layers.append(linear)
        if layer == architecture.depth - 1:
            break
        if architecture.batch_norm:
            norm = nn.BatchNorm1d(sizes[1]).double()
            norm.weight.data, norm.bias.data = (
                arrays[f"{name}{layer}"][member, 0].clone() for name in ("gain", "shift")
            )
            norm.running_mean, norm.running_var = (
                arrays[f"{name}{layer}"][member, 0].clone() for name in ("mean", "variance")
            )
            layers.append(norm)
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def test_layout_is_aligned_and_without_overlap(architecture):
    plan = layout(architecture)
    spans = [(start, start + int(np.prod(shape))) for start, shape in plan.places.values()]
    assert ALIGNMENT == 16
    assert all(start % ALIGNMENT == 0 for start, _ in spans)
    assert all(end <= following for (_, end), (following, _) in pairwise(sorted(spans)))
    assert plan.size % ALIGNMENT == 0
    assert max(end for _, end in spans) <= plan.size
    for name, (start, shape) in plan.places.items():
        end = start + int(np.prod(shape))
        assert (end <= plan.decayed) == name.startswith("weight")
        assert (end <= plan.trained) == (not name.startswith(("mean", "variance")))


def test_views_share_memory(architecture):
    flat = torch.zeros(3, layout(architecture).size)
    views = layout(architecture).views(flat)
    for number, view in enumerate(views.values(), 1):
        view.fill_(number)
    assert flat.sum() == 3 * sum(n * v[0].numel() for n, v in enumerate(views.values(), 1))


def test_views_of_the_trained_part_leave_statistics_out():
    plan = layout(Architecture(WIDTHS, True))
    names = plan.views(torch.zeros(1, plan.trained)).keys()
    assert names == {name for name in plan.places if not name.startswith(("mean", "variance"))}


@pytest.mark.parametrize("fan_in", [1, 10, 64])
def test_initial_weights_are_distributed_as_in_torch(fan_in):
    architecture = Architecture((fan_in, 500, 2), False)
    arrays = layout(architecture).views(torch.from_numpy(initial(architecture, 0))[None])
    bound = 1 / np.sqrt(fan_in)
    theirs = nn.Linear(fan_in, 500)
    for mine, torchs in ((arrays["weight0"], theirs.weight), (arrays["bias0"], theirs.bias)):
        assert torchs.abs().max() <= bound  # the rule that is imitated still holds
        assert mine.abs().max() <= np.float32(bound)
        assert kstest(mine.flatten().numpy() / bound, "uniform", (-1, 2)).pvalue > 1e-4
    assert kstest(arrays["weight0"].flatten(), theirs.weight.detach().flatten()).pvalue > 1e-4


def test_initial_norm_parameters_and_padding():
    architecture = Architecture(WIDTHS, True)
    plan, row = layout(architecture), initial(architecture, 0)
    for name, (start, shape) in plan.places.items():
        part = row[start : start + int(np.prod(shape))]
        expected = {"g": 1, "s": 0, "m": 0, "v": 1}.get(name[0])
        assert expected is None or (part == expected).all()
        row[start : start + int(np.prod(shape))] = 0
    assert not row.any()


def test_initial_weights_depend_on_seed_and_layer_alone():
    plain, normed = (layout(Architecture(WIDTHS, flag)) for flag in (False, True))
    other = layout(Architecture((7, 13, 5), False))
    rows = [initial(Architecture(*a), 4) for a in ((WIDTHS, False), (WIDTHS, True), ((7, 13, 5), False))]
    views = [p.views(torch.from_numpy(r)[None]) for p, r in zip((plain, normed, other), rows, strict=True)]
    for name in ("weight0", "bias0"):
        assert torch.equal(views[0][name], views[1][name])
        assert torch.equal(views[0][name], views[2][name])
    assert torch.equal(views[0]["weight2"], views[1]["weight2"])
    assert not np.array_equal(initial(Architecture(WIDTHS, False), 5), rows[0])
    assert not torch.equal(views[0]["weight1"].flatten()[:13], views[0]["weight0"].flatten()[:13])


def test_predict_is_an_ordinary_network_in_eval_mode(architecture):
    flat = random_flat(architecture)
    arrays = layout(architecture).views(flat)
    x = torch.randn(2, 11, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    kept = flat.clone(), x.clone()
    logits = predict(architecture, arrays, x)
    for member in range(2):
        expected = module(architecture, arrays, member).eval()(x[member]).detach()
        torch.testing.assert_close(logits[member], expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(flat, kept[0])
    assert torch.equal(x, kept[1])


def test_training_forward_and_running_statistics_are_those_of_batch_norm_1d(architecture):
    flat = random_flat(architecture)
    arrays = layout(architecture).views(flat)
    modules = [module(architecture, arrays, member).train() for member in range(2)]
    work = Workspace(architecture, flat, 2, 6)
    for step in range(3):
        x = torch.randn(2, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(step))
        logits = work.forward(arrays, x, None)
        for member, net in enumerate(modules):
            torch.testing.assert_close(logits[member], net(x[member]).detach(), rtol=1e-11, atol=1e-11)
    for member, net in enumerate(modules):
        for layer, norm in enumerate(part for part in net if isinstance(part, nn.BatchNorm1d)):
            for name, value in (("mean", norm.running_mean), ("variance", norm.running_var)):
                torch.testing.assert_close(arrays[f"{name}{layer}"][member, 0], value, rtol=1e-12, atol=1e-12)


class Loss(torch.autograd.Function):
    """The workspace's passes, for autograd to check: the summed cross-entropy of a stack."""

    @staticmethod
    def forward(ctx, trained, architecture, x, masks, targets):
        plan, batch = layout(architecture), x.shape[1]
        flat = torch.cat([trained.detach(), torch.ones(len(trained), plan.size - plan.trained, dtype=trained.dtype)], 1)
        arrays, gradient = plan.views(flat), torch.zeros_like(trained)
        work = Workspace(architecture, flat, len(flat), batch)
        logits = work.forward(arrays, x, masks)
        loss = -(targets * torch.log_softmax(logits, -1)).sum() / batch
        delta = torch.softmax(logits, -1).sub_(targets).div_(batch)
        work.backward(arrays, plan.views(gradient), x, masks, delta)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx, grad):
        return ctx.saved_tensors[0] * grad, None, None, None, None


@pytest.mark.parametrize("dropped", [False, True], ids=["whole", "dropout"])
@pytest.mark.parametrize("widths", [(3, 5, 4, 2), (4, 3)], ids=["deep", "linear"])
def test_gradients(architecture, dropped, widths):
    architecture = Architecture(widths, architecture.batch_norm)
    draw = torch.Generator().manual_seed(3)
    trained = random_flat(architecture)[:, : layout(architecture).trained].clone().requires_grad_()
    x = torch.randn(2, 6, widths[0], dtype=torch.float64, generator=draw)
    masks = [(torch.rand(2, 6, w, generator=draw) > 0.4).double() / 0.6 for w in widths[1:-1]] if dropped else None
    targets = torch.softmax(torch.randn(2, 6, widths[-1], dtype=torch.float64, generator=draw), -1)
    assert torch.autograd.gradcheck(Loss.apply, (trained, architecture, x, masks, targets))


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_delta_is_the_gradient_of_smoothed_cross_entropy(epsilon):
    logits = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    labels = torch.tensor([0, 1, 2, 2, 0])
    cross_entropy(logits, labels, label_smoothing=epsilon, reduction="mean").backward()
    targets = (1 - epsilon) * one_hot(labels, 3).double() + epsilon / 3
    torch.testing.assert_close(logits.grad, (torch.softmax(logits, -1) - targets).detach() / 5, rtol=0, atol=1e-15)
