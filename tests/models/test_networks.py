from itertools import pairwise

import numpy as np
import pytest
import torch
from oracles import point
from scipy.stats import kstest
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from pipeline.core.errors import InputError
from pipeline.models.build import build
from pipeline.models.conv import Convolution, pool
from pipeline.models.gru import Recurrent
from pipeline.models.mlp import Perceptron
from pipeline.models.network import ALIGNMENT, split_masks

WIDTHS = (7, 13, 9, 3)
KINDS = {
    "plain": Perceptron(WIDTHS, False),
    "batch_norm": Perceptron(WIDTHS, True),
    "conv": Convolution(9, (4, 3, 5, 2), 3, False),  # sides 9, 4, 2, 1 and 1: an odd edge, and no map left to pool
    "spatial": Convolution(6, (4, 3), 3, True),
    "no convolution": Convolution(4, (), 3, False),
    "gru": Recurrent(5, 16, 3, False),
    "variational": Recurrent(5, 16, 3, True),
    "one step": Recurrent(1, 16, 3, False),
}
IMAGES = [name for name in KINDS if name not in ("plain", "batch_norm")]


@pytest.fixture(params=["plain", "batch_norm"])
def perceptron(request):
    return KINDS[request.param]


@pytest.fixture(params=KINDS)
def network(request):
    return KINDS[request.param]


def random_flat(network, members=2, seed=0):
    plan = network.layout
    flat = torch.randn(members, plan.size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    for name, array in plan.views(flat).items():
        if name.startswith("variance"):
            array.abs_()
    return flat


def module(perceptron, arrays, member):
    """The member as an ordinary module."""
    layers = []
    for layer, sizes in enumerate(pairwise(perceptron.widths)):
        linear = nn.Linear(*sizes).double()
        linear.weight.data = arrays[f"weight{layer}"][member].T.clone()
        linear.bias.data = arrays[f"bias{layer}"][member, 0].clone()
        layers.append(linear)
        if layer == perceptron.depth - 1:
            break
        if perceptron.batch_norm:
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


def random_images(network, rows=6, seed=1):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(2, rows, network.side**2, dtype=torch.float64, generator=draw)


def random_masks(network, rows=6, seed=5):
    draw = torch.Generator().manual_seed(seed)
    return [(torch.rand(2, *shape, generator=draw) > 0.4).double() / 0.6 for shape in network.masks(rows)]


def set_to(parameter, value):
    parameter.data = value.T.reshape(parameter.shape).clone()


class Ordinary(nn.Module):
    """A member with PyTorch's own GRU, or convolutions and their masks."""

    def __init__(self, network, arrays, member):
        super().__init__()
        self.network, self.kind = network, type(network)
        if self.kind is Convolution:
            sizes = pairwise([1, *network.channels])
            self.body = nn.ModuleList(nn.Conv2d(*size, 3, padding=1).double() for size in sizes)
            last = len(network.channels)
            self.head = nn.Linear(arrays[f"weight{last}"].shape[1], network.classes).double()
            pairs = [
                (f"{name}{layer}", getattr(part, name))
                for layer, part in enumerate([*self.body, self.head])
                for name in ("weight", "bias")
            ]
        else:
            self.body = nn.GRU(network.side, network.hidden, batch_first=True).double()
            self.head = nn.Linear(network.hidden, network.classes).double()
            pairs = [("weight_in", self.body.weight_ih_l0), ("weight_state", self.body.weight_hh_l0)]
            pairs += [("bias_in", self.body.bias_ih_l0), ("bias_state", self.body.bias_hh_l0)]
            pairs += [("weight_out", self.head.weight), ("bias_out", self.head.bias)]
        self.named = dict(pairs)
        for name, parameter in self.named.items():
            set_to(parameter, arrays[name][member])

    def forward(self, x, masks=None):
        x = x.view(len(x), self.network.side, self.network.side)
        if self.kind is Recurrent:
            return self.head(self.body(x)[1][0])
        x = x[:, None]
        for layer, part in enumerate(self.body):
            x = torch.relu(part(x))
            x = x if x.shape[-1] == 1 else torch.max_pool2d(x, 2)
            x = x if masks is None else x * masks[layer].movedim(-1, 0)
        return self.head(x.flatten(1))


def test_layout_is_aligned_and_without_overlap(network):
    plan = network.layout
    spans = [(start, start + int(np.prod(shape))) for start, shape in plan.offsets.values()]
    assert ALIGNMENT == 16
    assert all(start % ALIGNMENT == 0 for start, _ in spans)
    assert all(end <= following for (_, end), (following, _) in pairwise(sorted(spans)))
    assert plan.size % ALIGNMENT == 0
    assert max(end for _, end in spans) <= plan.size
    for name, (start, shape) in plan.offsets.items():
        end = start + int(np.prod(shape))
        assert (end <= plan.decayed) == name.startswith("weight")
        assert (end <= plan.trained) == (not name.startswith(("mean", "variance")))


def test_views_share_memory(network):
    flat = torch.zeros(3, network.layout.size)
    views = network.layout.views(flat)
    for number, view in enumerate(views.values(), 1):
        view.fill_(number)
    assert flat.sum() == 3 * sum(n * v[0].numel() for n, v in enumerate(views.values(), 1))


def test_views_of_the_trained_part_leave_statistics_out():
    plan = KINDS["batch_norm"].layout
    names = plan.views(torch.zeros(1, plan.trained)).keys()
    assert names == {name for name in plan.offsets if not name.startswith(("mean", "variance"))}


@pytest.mark.parametrize(
    ("network", "theirs", "names"),
    [
        (Perceptron((1, 500, 2), False), nn.Linear(1, 500), {"weight0": "weight", "bias0": "bias"}),
        (Perceptron((64, 500, 2), False), nn.Linear(64, 500), {"weight0": "weight", "bias0": "bias"}),
        (Convolution(8, (7, 300), 2, False), nn.Conv2d(7, 300, 3), {"weight1": "weight", "bias1": "bias"}),
        (Convolution(8, (8, 9), 300, False), nn.Linear(36, 300), {"weight2": "weight", "bias2": "bias"}),
        (
            Recurrent(8, 96, 2, False),
            nn.GRU(8, 96),
            {
                "weight_in": "weight_ih_l0", "weight_state": "weight_hh_l0",
                "bias_in": "bias_ih_l0", "bias_state": "bias_hh_l0",
            },
        ),
        (Recurrent(8, 96, 300, False), nn.Linear(96, 300), {"weight_out": "weight", "bias_out": "bias"}),
    ],
)  # fmt: skip
def test_initial_weights_are_distributed_as_in_torch(network, theirs, names):
    arrays = network.layout.views(torch.from_numpy(network.initial(0))[None])
    for name, torchs in names.items():
        mine, other = arrays[name].flatten().numpy(), getattr(theirs, torchs).detach().flatten().numpy()
        assert mine.size == other.size
        bound = np.abs(other).max()
        assert bound * 0.95 <= np.abs(mine).max() <= bound * 1.05
        assert kstest(mine / bound, "uniform", (-1, 2)).pvalue > 1e-4
        assert kstest(mine, other).pvalue > 1e-4


def test_initial_norm_parameters_and_padding(network):
    plan, row = network.layout, network.initial(0)
    for name, (start, shape) in plan.offsets.items():
        part = row[start : start + int(np.prod(shape))]
        expected = {"gain": 1, "shift": 0, "mean": 0, "variance": 1}.get(name.rstrip("0123456789"))
        assert (part == expected).all() if expected is not None else part.all()
        row[start : start + int(np.prod(shape))] = 0
    assert not row.any()


def test_initial_weights_depend_on_seed_and_layer_alone():
    networks = (Perceptron(WIDTHS, False), Perceptron(WIDTHS, True), Perceptron((7, 13, 5), False))
    rows = [network.initial(4) for network in networks]
    views = [n.layout.views(torch.from_numpy(r)[None]) for n, r in zip(networks, rows, strict=True)]
    for name in ("weight0", "bias0"):
        assert torch.equal(views[0][name], views[1][name])
        assert torch.equal(views[0][name], views[2][name])
    assert torch.equal(views[0]["weight2"], views[1]["weight2"])
    assert not np.array_equal(networks[0].initial(5), rows[0])
    assert not torch.equal(views[0]["weight1"].flatten()[:13], views[0]["weight0"].flatten()[:13])


def test_predict_is_an_ordinary_network_in_eval_mode(perceptron):
    flat = random_flat(perceptron)
    arrays = perceptron.layout.views(flat)
    x = torch.randn(2, 11, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    kept = flat.clone(), x.clone()
    logits = perceptron.predict(arrays, x)
    for member in range(2):
        expected = module(perceptron, arrays, member).eval()(x[member]).detach()
        torch.testing.assert_close(logits[member], expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(flat, kept[0])
    assert torch.equal(x, kept[1])


@pytest.mark.parametrize("name", IMAGES)
def test_predict_is_an_ordinary_network_of_images(name):
    network = KINDS[name]
    flat, x = random_flat(network), random_images(network)
    arrays, kept = network.layout.views(flat), (flat.clone(), x.clone())
    logits = network.predict(arrays, x)
    for member in range(2):
        expected = Ordinary(network, arrays, member)(x[member]).detach()
        torch.testing.assert_close(logits[member], expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(flat, kept[0])
    assert torch.equal(x, kept[1])


def test_predict_with_masks_is_the_training_pass(network):
    """But for batch normalization, whose statistics are those of eval mode."""
    flat, side = random_flat(network), getattr(network, "side", None)
    x = random_images(network) if side else torch.randn(2, 6, 7, dtype=torch.float64)
    masks, arrays = random_masks(network), network.layout.views(flat)
    logits = network.predict(arrays, x, masks)
    if not getattr(network, "batch_norm", False):
        assert torch.equal(logits, network.workspace(flat, 2, 6).forward(arrays, x, masks))
    if masks:
        assert not torch.equal(logits, network.predict(arrays, x))
    assert torch.equal(network.predict(arrays, x), network.predict(arrays, x, [torch.ones_like(m) for m in masks]))


def test_training_forward_and_running_statistics_are_those_of_batch_norm_1d(perceptron):
    flat = random_flat(perceptron)
    arrays = perceptron.layout.views(flat)
    modules = [module(perceptron, arrays, member).train() for member in range(2)]
    work = perceptron.workspace(flat, 2, 6)
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
    def forward(ctx, trained, network, x, masks, targets):
        plan, batch = network.layout, x.shape[1]
        flat = torch.cat([trained.detach(), torch.ones(len(trained), plan.size - plan.trained, dtype=trained.dtype)], 1)
        arrays, gradient = plan.views(flat), torch.zeros_like(trained)
        work = network.workspace(flat, len(flat), batch)
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
def test_gradients(perceptron, dropped, widths):
    network = Perceptron(widths, perceptron.batch_norm)
    draw = torch.Generator().manual_seed(3)
    trained = random_flat(network)[:, : network.layout.trained].clone().requires_grad_()
    x = torch.randn(2, 6, widths[0], dtype=torch.float64, generator=draw)
    targets = torch.softmax(torch.randn(2, 6, widths[-1], dtype=torch.float64, generator=draw), -1)
    masks = random_masks(network) if dropped else None
    assert torch.autograd.gradcheck(Loss.apply, (trained, network, x, masks, targets))


def gradients_of(network, flat, x, masks, delta):
    """What a step in a stack finds: inside of inference mode, as members train."""
    with torch.inference_mode():
        flat, gradient = flat.clone(), torch.zeros_like(flat)
        arrays, gradients = network.layout.views(flat), network.layout.views(gradient)
        work = network.workspace(flat, *x.shape[:2])
        for _ in range(2):  # nothing is left behind from a step before
            work.forward(arrays, x.clone(), masks)
            work.backward(arrays, gradients, x, masks, delta)
    return {name: gradient.clone() for name, gradient in gradients.items()}


@pytest.mark.parametrize("dropped", [False, True], ids=["whole", "dropout"])
@pytest.mark.parametrize(
    "small",
    [pytest.param(Convolution(5, (2, 3), 2, False), marks=pytest.mark.slow), Convolution(4, (2,), 2, True)],
    ids=str,
)
def test_gradients_of_convolutions(small, dropped):
    check_gradients(small, dropped)


@pytest.mark.slow
@pytest.mark.parametrize("dropped", [False, True], ids=["whole", "dropout"])
@pytest.mark.parametrize("shared", [False, True], ids=["plain", "shared"])
def test_gradients_of_recurrent_networks(shared, dropped):
    check_gradients(Recurrent(3, 4, 2, shared), dropped)


def check_gradients(network, dropped):
    trained = random_flat(network)[:, : network.layout.trained].clone().requires_grad_()
    targets = torch.softmax(torch.randn(2, 6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3)), -1)
    masks = random_masks(network) if dropped else None
    assert torch.autograd.gradcheck(Loss.apply, (trained, network, random_images(network), masks, targets))


MASKED = [name for name in IMAGES if not isinstance(KINDS[name], Recurrent)]  # nn.GRU has no masks between steps


@pytest.mark.parametrize(
    ("name", "dropped"), [*((name, False) for name in IMAGES), *((name, True) for name in MASKED)], ids=str
)
def test_gradients_are_those_of_ordinary_modules(name, dropped):
    network = KINDS[name]
    flat, x = random_flat(network), random_images(network)
    masks = random_masks(network) if dropped else None
    delta = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    gradients = gradients_of(network, flat, x, masks, delta)
    for member in range(2):
        net = Ordinary(network, network.layout.views(flat), member)
        its_masks = None if masks is None else [mask[member] for mask in masks]
        (net(x[member], its_masks) * delta[member]).sum().backward()
        for array, parameter in net.named.items():
            expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            mine = gradients[array][member].T.reshape(parameter.shape)
            torch.testing.assert_close(mine, expected, rtol=1e-12, atol=1e-12, msg=array)


@pytest.mark.parametrize("shared", [False, True])
def test_masks_of_a_recurrent_network_act_on_what_weights_read_alone(shared):
    """Every state dropped: each step sees its inputs and what it carries on, but no state through weights."""
    network = Recurrent(4, 16, 3, shared)
    flat, x = random_flat(network), random_images(network)
    arrays = network.layout.views(flat)
    masks = [torch.zeros_like(random_masks(network)[0]), torch.ones(2, 6, 16, dtype=torch.float64)]
    logits = network.predict(arrays, x, masks)
    arrays["weight_state"].zero_()
    torch.testing.assert_close(logits, network.predict(arrays, x), rtol=1e-12, atol=1e-12)


def test_shared_masks_are_one_for_all_positions_and_plain_ones_are_not():
    rows = 6
    for plain, shared, same in (
        (Convolution(8, (4, 3), 3, False), Convolution(8, (4, 3), 3, True), (2, 3)),
        (Recurrent(5, 16, 3, False), Recurrent(5, 16, 3, True), (1,)),
    ):
        flat, x = random_flat(plain), random_images(plain)
        arrays, spread = plain.layout.views(flat), random_masks(shared)
        for mask, wide in zip(spread, plain.masks(rows), strict=True):
            assert mask.numel() < 2 * np.prod(wide) or mask.shape[1:] == wide
        wide = [m.expand(2, *shape) for m, shape in zip(spread, plain.masks(rows), strict=True)]
        torch.testing.assert_close(shared.predict(arrays, x, spread), plain.predict(arrays, x, wide), rtol=0, atol=0)
        drawn = random_masks(plain)[0]
        assert all(drawn.std(axis).any() for axis in same)  # units differ along positions or steps


def test_masks_are_cut_from_one_row():
    flat = torch.arange(22.0).view(2, 11)
    first, second = split_masks(flat, [(2, 4), (3,)])
    assert first.tolist() == flat[:, :8].view(2, 2, 4).tolist()
    assert second.tolist() == flat[:, 8:].tolist()
    first.zero_()
    assert not flat[:, :8].any()


@pytest.mark.parametrize("side", [2, 3, 4, 5])
def test_pooling_is_that_of_torch(side):
    maps = torch.randn(2, 3, side, side, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(side))
    maps.requires_grad_()
    theirs = torch.max_pool2d(maps.movedim(-1, 1).flatten(0, 1), 2).unflatten(0, (2, 6)).movedim(1, -1)
    mine = pool(maps, side // 2)
    assert torch.equal(mine, theirs)
    slope = torch.randn_like(mine)
    grads = [torch.autograd.grad(out, maps, slope)[0] for out in (mine, theirs)]
    assert torch.equal(*grads)


def test_an_odd_edge_is_dropped_and_one_pixel_is_left():
    assert KINDS["conv"].sides == [9, 4, 2, 1, 1]


class TestBuild:
    def test_each_architecture(self):
        assert build(point(), 7, 3) == Perceptron((7, 13, 9, 3), False)
        assert build(point(batch_norm=True), 7, 3) == Perceptron((7, 13, 9, 3), True)
        assert build(point(architecture="conv", shared_dropout=True), 25, 3) == Convolution(5, (13, 9), 3, True)
        assert build(point(architecture="gru", hidden=[32]), 25, 3) == Recurrent(5, 32, 3, False)

    @pytest.mark.parametrize("changes", [{"architecture": "conv"}, {"architecture": "gru", "hidden": [16]}], ids=str)
    def test_images_are_square(self, changes):
        kind = changes["architecture"]
        with pytest.raises(InputError, match=f"^architecture {kind} needs a square number of features, got 10$"):
            build(point(**changes), 10, 3)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"shared_dropout": True}, "shared_dropout needs architecture conv or gru, got mlp"),
            ({"architecture": "conv", "batch_norm": True}, "batch_norm needs architecture mlp, got conv"),
            ({"architecture": "gru", "hidden": [16], "batch_norm": True}, "batch_norm needs architecture mlp, got gru"),
            (
                {"architecture": "gru", "hidden": [16], "max_norm": 1.0},
                "max_norm needs architecture mlp or conv, got gru",
            ),
            ({"architecture": "gru", "hidden": [16, 16]}, r"one hidden width, a multiple of 16 .* got \[16, 16\]"),
            ({"architecture": "gru", "hidden": [24]}, r"one hidden width, a multiple of 16 .* got \[24\]"),
            ({"architecture": "gru", "hidden": []}, r"one hidden width, a multiple of 16 .* got \[\]"),
            ({"architecture": "transformer"}, "Input should be 'mlp', 'conv' or 'gru'"),
        ],
        ids=str,
    )
    def test_what_an_architecture_does_not_offer(self, changes, message):
        with pytest.raises(ValueError, match=message):
            point(**changes)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_delta_is_the_gradient_of_smoothed_cross_entropy(epsilon):
    logits = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    labels = torch.tensor([0, 1, 2, 2, 0])
    cross_entropy(logits, labels, label_smoothing=epsilon, reduction="mean").backward()
    targets = (1 - epsilon) * one_hot(labels, 3).double() + epsilon / 3
    torch.testing.assert_close(logits.grad, (torch.softmax(logits, -1) - targets).detach() / 5, rtol=0, atol=1e-15)
