import numpy as np
import pytest
import torch
from oracles import Masked, build, matrices_of, members_of, point, toy_seeds

from pipeline.core.rng import Purpose, uniform16
from pipeline.models.build import build as network_of
from pipeline.textbook import weight_statistics
from pipeline.training.fit import fit

FEATURES, CLASSES, SEEDS = 16, 3, (0, 1, 2)
KINDS = {
    "mlp": {},
    "batch_norm": {"batch_norm": True},
    "linear": {"hidden": []},
    "conv": {"architecture": "conv", "hidden": [6, 5]},
    "spatial": {"architecture": "conv", "hidden": [6, 5], "shared_dropout": True},
    "gru": {"architecture": "gru", "hidden": [16]},
    "variational": {"architecture": "gru", "hidden": [16], "shared_dropout": True},
}


@pytest.fixture(scope="module", params=KINDS)
def trained(request):
    """A point, the weights of three seeds, and their inputs (member, row, feature)."""
    one = point(**KINDS[request.param], dropout=0.4, input_dropout=0.2)
    members = members_of([one], SEEDS)
    data = toy_seeds(members, features=FEATURES)
    (fitted,) = fit([members], data, weights=True)
    return one, fitted.weights, np.stack([data[seed].features["validation"] for seed in SEEDS])


def ordinary(one, weights, member, dtype=torch.float64):
    """A member as an ordinary network with these weights."""
    net = build(one, toy_seeds(members_of([one], (0,)), features=FEATURES)[0], 0, dtype)
    arrays = network_of(one, FEATURES, CLASSES).layout.views(torch.from_numpy(weights).to(dtype))
    for name, parameter in matrices_of(net).items():
        parameter.data = arrays[name][member].T.reshape(parameter.shape).clone()
    for layer, norm in enumerate(part for part in net if isinstance(part, torch.nn.BatchNorm1d)):
        norm.weight.data, norm.bias.data = (arrays[f"{name}{layer}"][member, 0] for name in ("gain", "shift"))
        norm.running_mean, norm.running_var = (arrays[f"{name}{layer}"][member, 0] for name in ("mean", "variance"))
    return net.eval()


def test_weight_norms(trained):
    one, weights, _ = trained
    norms = weight_statistics.weight_norms(one, FEATURES, CLASSES, weights)
    assert norms.shape == (len(SEEDS),)
    for member, norm in enumerate(norms):
        decayed = [p for p in matrices_of(ordinary(one, weights, member)).values() if p.ndim > 1]
        assert norm == pytest.approx(torch.cat([p.detach().flatten() for p in decayed]).norm().item(), rel=1e-12)


@pytest.mark.slow
def test_input_gradient_is_the_norm_of_the_jacobian(trained):
    one, weights, inputs = trained
    found = weight_statistics.input_gradient(one, FEATURES, CLASSES, weights, inputs)
    assert found.shape == (len(SEEDS),)
    for member, rows in enumerate(torch.from_numpy(inputs).double()):
        net = ordinary(one, weights, member)
        jacobians = [torch.func.jacrev(lambda x: torch.softmax(net(x[None])[0], -1))(row) for row in rows]  # noqa: B023
        assert jacobians[0].shape == (CLASSES, FEATURES)
        assert found[member] == pytest.approx(np.mean([jacobian.norm().item() for jacobian in jacobians]), rel=1e-9)


def test_input_gradient_is_that_of_small_steps():
    one = point()
    network = network_of(one, FEATURES, CLASSES)
    weights, x = network.initial(0)[None], np.random.default_rng(0).standard_normal((1, 1, FEATURES), np.float32)
    arrays = network.layout.views(torch.from_numpy(weights).double())
    steps = 1e-6 * torch.eye(FEATURES, dtype=torch.float64)
    near = [torch.softmax(network.predict(arrays, torch.from_numpy(x) + s * steps), -1)[0] for s in (-1, 1)]
    slopes = (near[1] - near[0]) / 2e-6
    assert weight_statistics.input_gradient(one, FEATURES, CLASSES, weights, x)[0] == pytest.approx(
        slopes.norm().item(), rel=1e-6
    )


def draw(net, seed, sample, rows):
    """Masks of one sample: hidden units first, then inputs; logits are all kept."""
    inputs, *hidden, logits = [part for part in net.modules() if isinstance(part, Masked)]
    parts = [*hidden, inputs]
    sizes = [part.size(rows) for part in parts]
    uniforms = torch.from_numpy(uniform16(seed, Purpose.MONTE_CARLO, sample, sum(sizes)).astype(np.int64))
    for part, drawn in zip(parts, uniforms.split(sizes), strict=True):
        part.train().draw(drawn, rows)
    assert not logits.training


def test_monte_carlo_is_the_mean_over_masks(trained):
    one, weights, inputs = trained
    found = weight_statistics.monte_carlo(one, SEEDS, weights, inputs, classes=CLASSES, samples=5)
    assert found.arithmetic.shape == found.geometric.shape == (len(SEEDS), inputs.shape[1], CLASSES)
    for member, seed in enumerate(SEEDS):
        net, samples = ordinary(one, weights, member), []
        for sample in range(5):
            draw(net, seed, sample, inputs.shape[1])
            samples.append(torch.softmax(net(torch.from_numpy(inputs[member]).double()), -1).detach().numpy())
        assert np.ptp(samples, axis=0).max() > 0.01
        np.testing.assert_allclose(found.arithmetic[member], np.mean(samples, 0), rtol=0, atol=2e-6)
        geometric = np.prod(np.power(samples, 1 / 5), axis=0)
        geometric /= geometric.sum(-1, keepdims=True)
        np.testing.assert_allclose(found.geometric[member], geometric, rtol=0, atol=2e-6)


def test_monte_carlo_without_dropout_is_the_plain_prediction(trained):
    one, weights, inputs = trained
    off = one.model_copy(update={"dropout": 0.0, "input_dropout": 0.0})
    found = weight_statistics.monte_carlo(off, SEEDS, weights, inputs, classes=CLASSES, samples=3)
    for member in range(len(SEEDS)):
        logits = ordinary(one, weights, member)(torch.from_numpy(inputs[member]).double()).detach()
        for mean in found:
            np.testing.assert_allclose(mean[member], torch.softmax(logits, -1), rtol=0, atol=2e-6)


def test_what_is_drawn_for_hidden_units_does_not_depend_on_the_inputs(trained):
    one, weights, inputs = trained
    rare = [one.model_copy(update={"input_dropout": rate}) for rate in (0.0, 1e-6)]
    found = [weight_statistics.monte_carlo(each, SEEDS, weights, inputs, classes=CLASSES, samples=3) for each in rare]
    assert all(np.array_equal(*pair) for pair in zip(*found, strict=True))


@pytest.mark.parametrize("chosen", [[0], [2], [1, 0], [2, 2, 1]], ids=str)
def test_bits_do_not_depend_on_the_stack(trained, chosen):
    one, weights, inputs = trained
    of = (one, FEATURES, CLASSES)
    norms, slopes = weight_statistics.weight_norms(*of, weights), weight_statistics.input_gradient(*of, weights, inputs)
    sampled = weight_statistics.monte_carlo(one, SEEDS, weights, inputs, classes=CLASSES, samples=3)
    assert np.array_equal(weight_statistics.weight_norms(*of, weights[chosen]), norms[chosen])
    assert np.array_equal(weight_statistics.input_gradient(*of, weights[chosen], inputs[chosen]), slopes[chosen])
    seeds = [SEEDS[place] for place in chosen]
    some = weight_statistics.monte_carlo(one, seeds, weights[chosen], inputs[chosen], classes=CLASSES, samples=3)
    assert all(np.array_equal(part, whole[chosen]) for part, whole in zip(some, sampled, strict=True))


def test_nothing_given_is_changed_and_torch_is_as_it_was(trained):
    one, weights, inputs = trained
    kept = weights.copy(), inputs.copy()
    for array in (weights, inputs):
        array.flags.writeable = False
    weight_statistics.weight_norms(one, FEATURES, CLASSES, weights)
    weight_statistics.input_gradient(one, FEATURES, CLASSES, weights, inputs)
    weight_statistics.monte_carlo(one, SEEDS, weights, inputs, classes=CLASSES, samples=2)
    assert np.array_equal(weights, kept[0])
    assert np.array_equal(inputs, kept[1])
    assert torch.is_grad_enabled()
