"""Gradients of losses against autograd through the formulas, and their bits in company."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import kl_divergence, loss_of, point, two_pass_loss
from sklearn.utils.class_weight import compute_class_weight

from pipeline.training.losses import class_weights, focal_gradient, loss_gradient, r_drop_gradient

GAMMAS = (0.0, 0.3, 1.0, 2.0, 5.0)
BETAS = (0.0, 0.1, 1.0)


def normal(*shape, seed=0, scale=3.0, dtype=torch.float64):
    drawn = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * scale
    return drawn.to(dtype)


def targets_of(*shape, seed=1, dtype=torch.float64):
    return torch.softmax(normal(*shape, seed=seed), -1).to(dtype)


def plain_gradient(logits, targets):
    """The gradient of cross-entropy alone, as a stack without these losses has it."""
    return torch.softmax(logits, -1).sub_(targets).div_(logits.shape[1])


def bits(tensor):
    return tensor.numpy().tobytes()


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("soft", [True, False])
def test_gradient_is_that_of_the_formulas(gamma, beta, soft):
    logits, targets = normal(2, 7, 4), targets_of(2, 7, 4)
    if not soft:
        targets = torch.nn.functional.one_hot(targets.argmax(-1), 4).double()
    strengths = [torch.tensor([value, value], dtype=torch.float64) for value in (gamma, beta)]
    gradient = loss_gradient(logits, targets, focal=strengths[0], penalty=strengths[1])
    chosen = point(focal_loss=gamma, confidence_penalty=beta)
    for member in range(2):
        leaf = logits[member].clone().requires_grad_()
        loss_of(chosen, leaf, targets[member]).backward()
        torch.testing.assert_close(gradient[member], leaf.grad, rtol=1e-11, atol=1e-14)


def test_class_weights_are_those_of_scikit_learn_and_have_mean_one():
    labels = torch.tensor([[0, 0, 0, 1, 2, 2], [1, 1, 1, 1, 0, 1], [0, 0, 0, 1, 2, 2]])
    weights = class_weights(labels, 3, torch.tensor([True, True, False]))
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels[0].numpy())
    np.testing.assert_allclose(weights[0], expected, rtol=1e-15)
    np.testing.assert_allclose(weights[1], [3, 0.6, 1], rtol=1e-15)  # no row is of class 2
    assert weights[2].tolist() == [1, 1, 1]
    assert torch.gather(weights, 1, labels).mean(1).tolist() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_weighted_gradient_is_that_of_torch(gamma, smoothing):
    logits, labels = normal(2, 7, 4), torch.arange(14).view(2, 7) % 4
    one_hot = torch.nn.functional.one_hot(labels, 4).double()
    targets = (1 - smoothing) * one_hot + smoothing / 4
    weights = torch.tensor([[0.5, 1.0, 2.0, 4.0], [1.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    focal = torch.tensor([gamma, gamma], dtype=torch.float64)
    gradient = loss_gradient(logits, targets, focal=focal, weights=weights)
    chosen = point(focal_loss=gamma, label_smoothing=smoothing)
    for member in range(2):
        leaf = logits[member].clone().requires_grad_()
        loss_of(chosen, leaf, one_hot[member], weights[member]).backward()
        torch.testing.assert_close(gradient[member], leaf.grad, rtol=1e-11, atol=1e-14)
    assert bits(gradient[1]) == bits(loss_gradient(logits, targets, focal=focal)[1])


def test_focal_loss_of_one_hot_targets_by_hand():
    """Two classes at p = 3/4 for the label, gamma 2: dL/dz = (1 - p)**2 (2 p log p - (1 - p)) for the label's logit."""
    logits, targets = torch.tensor([[[np.log(3.0), 0.0]]], dtype=torch.float64), torch.tensor([[[1.0, 0.0]]])
    expected = 0.25**2 * (2 * 0.75 * np.log(0.75) - 0.25)
    gradient = focal_gradient(logits, targets.double(), torch.tensor([2.0]).double())
    torch.testing.assert_close(gradient[0, 0], torch.tensor([expected, -expected]).double(), rtol=1e-12, atol=1e-14)


def test_r_drop_is_the_gradient_of_both_divergences():
    first, second = normal(2, 7, 4), normal(2, 7, 4, seed=5)
    alpha = torch.tensor([0.5, 2.0], dtype=torch.float64)
    for member in range(2):
        one, other = (logits[member].clone().requires_grad_() for logits in (first, second))
        (alpha[member] / 4 * (kl_divergence(one, other) + kl_divergence(other, one))).backward()
        for mine, theirs, leaf in ((first, second, one), (second, first, other)):
            gradient = r_drop_gradient(mine, theirs, alpha)[member]
            torch.testing.assert_close(gradient, leaf.grad, rtol=1e-11, atol=1e-14)


def test_the_oracle_of_two_equal_passes_is_the_loss_of_one():
    logits, targets, chosen = normal(7, 4), targets_of(7, 4), point(r_drop=3.0, label_smoothing=0.1)
    assert two_pass_loss(chosen, logits, logits, targets).item() == pytest.approx(
        loss_of(chosen, logits, targets).item(), rel=1e-14
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_confident_predictions_have_finite_gradients_near_those_in_float64(dtype, scale):
    logits, targets = normal(3, 50, 10, scale=scale, dtype=dtype), targets_of(3, 50, 10, dtype=dtype)
    focal, penalty = (torch.tensor(values, dtype=dtype) for values in ((1.0, 2.0, 5.0), (0.1, 0.5, 1.0)))
    gradient = loss_gradient(logits, targets, focal=focal, penalty=penalty)
    exact = loss_gradient(logits.double(), targets.double(), focal=focal.double(), penalty=penalty.double())
    assert torch.isfinite(gradient).all()
    torch.testing.assert_close(gradient.double(), exact, rtol=1e-4, atol=1e-6 * max(1.0, scale / 100))


def test_none_and_zero_are_the_plain_gradient_to_the_bit():
    logits, targets = normal(4, 9, 10, dtype=torch.float32), targets_of(4, 9, 10, dtype=torch.float32)
    zero, plain = torch.zeros(4), bits(plain_gradient(logits, targets))
    assert bits(loss_gradient(logits, targets)) == plain
    assert bits(loss_gradient(logits, targets, focal=zero, penalty=zero)) == plain


def test_a_neighbour_with_infinite_logits_or_strengths_changes_no_bit():
    logits, targets = normal(3, 9, 10, dtype=torch.float32), targets_of(3, 9, 10, dtype=torch.float32)
    logits[1] = float("inf")
    logits[0, 0] = torch.tensor([3e38, -3e38] * 5)  # whose log-probabilities overflow
    focal, penalty = torch.tensor([0.0, 5.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    gradient = loss_gradient(logits, targets, focal=focal, penalty=penalty)
    for member in (0, 2):
        assert bits(gradient[member]) == bits(plain_gradient(logits, targets)[member])


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 70),
    classes=st.integers(2, 21),
    members=st.integers(2, 9),
    seed=st.integers(0, 99),
)
def test_no_bit_of_a_member_depends_on_its_company(batch, classes, members, seed):
    """Any two members, in any order, have the gradients that they have in the whole stack: no vector tail shows."""
    shape, rng = (members, batch, classes), np.random.default_rng(seed)
    logits, targets = normal(*shape, seed=seed, dtype=torch.float32), targets_of(*shape, dtype=torch.float32)
    others = normal(*shape, seed=seed + 1, dtype=torch.float32)
    strengths = [torch.from_numpy(rng.choice([0.0, 0.3, 1.0, 2.0], members)).float() for _ in range(3)]
    chosen = torch.from_numpy(rng.permutation(members)[:2].copy())
    focal, penalty, alpha = strengths
    weights = torch.from_numpy(rng.choice([0.5, 1.0, 3.0], (members, classes))).float()
    whole = loss_gradient(logits, targets, focal=focal, penalty=penalty, weights=weights)
    pair = loss_gradient(
        logits[chosen], targets[chosen], focal=focal[chosen], penalty=penalty[chosen], weights=weights[chosen]
    )
    assert bits(pair) == bits(whole[chosen])
    compared = r_drop_gradient(logits, others, alpha)[chosen]
    assert bits(r_drop_gradient(logits[chosen], others[chosen], alpha[chosen])) == bits(compared)


def test_at_a_size_that_threads_share():
    shape = (16, 256, 10)
    logits, targets = normal(*shape, dtype=torch.float32), targets_of(*shape, dtype=torch.float32)
    focal, penalty = torch.linspace(0, 3, 16), torch.linspace(1, 0, 16)
    gradients = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        gradients.append(loss_gradient(logits, targets, focal=focal, penalty=penalty))
    assert bits(gradients[0]) == bits(gradients[1])
    pair = loss_gradient(logits[3:5], targets[3:5], focal=focal[3:5], penalty=penalty[3:5])
    assert bits(pair) == bits(gradients[1][3:5])
