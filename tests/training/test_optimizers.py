import numpy as np
import pytest
import torch

from pipeline.training.optimizers import Adam, ElementwiseAdam, Sgd
from pipeline.training.regularizers import add_l2, decay

ADAMS = [Adam, ElementwiseAdam]
RATES = (0.01, 0.1, 0.01)
STEPS = 60
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}
FACTORS = {"constant": lambda step: 1.0, "falling": lambda step: 1 - step / STEPS}


def gradients(dtype):
    draw = torch.Generator().manual_seed(1)
    return torch.randn(STEPS, 3, 32, dtype=torch.float64, generator=draw).to(dtype)


def start(dtype):
    return torch.randn(3, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).to(dtype)


def theirs(kind, dtype, factor, **options):
    """Every member's weights after torch's own optimizer has seen the same gradients."""
    ends = []
    for member, rate in enumerate(RATES):
        weights = start(dtype)[member].clone().requires_grad_()
        optimizer = kind([weights], lr=rate, foreach=False, **options)
        for step, gradient in enumerate(gradients(dtype)):
            optimizer.param_groups[0]["lr"] = rate * factor(step)
            weights.grad = gradient[member].clone()
            optimizer.step()
        ends.append(weights.detach())
    return torch.stack(ends)


def ours(kind, dtype, factor, *, l2=0.0, decoupled=0.0, **options):
    weights, gradient = start(dtype), torch.zeros(3, 32, dtype=dtype)
    rates = torch.tensor(RATES, dtype=torch.float64 if kind is Adam else dtype)
    optimizer = kind(weights, gradient, rates, **options)
    for step, drawn in enumerate(gradients(dtype)):
        gradient.copy_(drawn)
        add_l2(gradient, weights, torch.full((3,), l2, dtype=dtype))
        decay(weights, torch.tensor(RATES, dtype=dtype) * decoupled * factor(step))
        optimizer.step(factor(step))
    return weights


@pytest.mark.parametrize("schedule", FACTORS)
@pytest.mark.parametrize("dtype", TOLERANCE)
class TestTrajectories:
    def check(self, mine, expected, dtype):
        torch.testing.assert_close(mine, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])

    @pytest.mark.parametrize("kind", ADAMS)
    def test_adam(self, dtype, schedule, kind):
        factor = FACTORS[schedule]
        self.check(ours(kind, dtype, factor), theirs(torch.optim.Adam, dtype, factor), dtype)

    def test_adam_with_l2(self, dtype, schedule):
        factor = FACTORS[schedule]
        expected = theirs(torch.optim.Adam, dtype, factor, weight_decay=0.3)
        self.check(ours(Adam, dtype, factor, l2=0.3), expected, dtype)

    @pytest.mark.parametrize("kind", ADAMS)
    def test_adamw(self, dtype, schedule, kind):
        factor = FACTORS[schedule]
        expected = theirs(torch.optim.AdamW, dtype, factor, weight_decay=0.3)
        self.check(ours(kind, dtype, factor, decoupled=0.3), expected, dtype)

    @pytest.mark.parametrize("momentum", [0.0, 0.9])
    def test_sgd(self, dtype, schedule, momentum):
        factor, each = FACTORS[schedule], torch.full((3,), momentum, dtype=dtype)
        expected = theirs(torch.optim.SGD, dtype, factor, weight_decay=0.3, momentum=momentum)
        self.check(ours(Sgd, dtype, factor, l2=0.3, momentum=each), expected, dtype)


def test_l2_and_decay_differ_under_adam_and_agree_under_plain_sgd():
    constant = FACTORS["constant"]
    assert (
        ours(Adam, torch.float64, constant, l2=0.3) - ours(Adam, torch.float64, constant, decoupled=0.3)
    ).abs().max() > 0.01
    still = torch.zeros(3, dtype=torch.float64)
    one = ours(Sgd, torch.float64, constant, l2=0.3, momentum=still)
    other = ours(Sgd, torch.float64, constant, decoupled=0.3, momentum=still)
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("penalty_factor", "weight_decay"), [(1.0, 2.0), (0.5, 1.0)], ids=["snippet", "halved"])
def test_penalty_factor_of_an_l2_term_in_the_loss(penalty_factor, weight_decay):
    """`loss + strength * sum(w**2)` is a weight_decay of twice the strength; with strength / 2 it is the same one."""
    strength, draw = 0.05, torch.Generator().manual_seed(5)
    target = torch.randn(8, dtype=torch.float64, generator=draw)
    ends = []
    for penalty, option in ((penalty_factor * strength, 0.0), (0.0, weight_decay * strength)):
        w = torch.ones(8, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9, weight_decay=option)
        for _ in range(30):
            optimizer.zero_grad()
            (((w - target) ** 2).sum() + penalty * (w**2).sum()).backward()
            optimizer.step()
        ends.append(w.detach())
    torch.testing.assert_close(*ends, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_rate_of_its_own_gives_each_member_the_bits_it_has_alone(dtype):
    together = ours(Adam, dtype, FACTORS["falling"])
    for member, rate in enumerate(RATES):
        weights, gradient = start(dtype)[member : member + 1].clone(), torch.zeros(1, 32, dtype=dtype)
        optimizer = Adam(weights, gradient, torch.tensor([rate], dtype=torch.float64))
        for step, drawn in enumerate(gradients(dtype)):
            gradient.copy_(drawn[member : member + 1])
            optimizer.step(FACTORS["falling"](step))
        np.testing.assert_array_equal(together[member], weights[0])


class TestTakingOver:
    """An optimizer of some of another's members goes on as if the others had never been there."""

    def after(self, kind, weights, gradient, members):
        options = {"momentum": torch.tensor([0.9, 0.5, 0.0])[members]} if kind is Sgd else {}
        rates = torch.tensor(RATES, dtype=torch.float64 if kind is Adam else torch.float32)[members]
        return kind(weights, gradient, rates, **options)

    def go_on(self, optimizer, gradient, members, steps):
        for step in steps:
            gradient.copy_(gradients(torch.float32)[step, members])
            optimizer.step(FACTORS["falling"](step))

    @pytest.mark.parametrize("kind", [*ADAMS, Sgd])
    @pytest.mark.parametrize("rows", [[0, 1, 2], [2], [1, 0], [1, 1]], ids=str)
    def test_every_bit_is_as_it_would_have_been(self, kind, rows):
        everyone, weights = [0, 1, 2], start(torch.float32)
        gradient = torch.zeros_like(weights)
        first = self.after(kind, weights, gradient, everyone)
        self.go_on(first, gradient, everyone, range(20))
        fewer, its_gradient = weights[rows].clone(), torch.zeros(len(rows), 32)
        second = self.after(kind, fewer, its_gradient, rows)
        second.load(first.state, torch.tensor(rows))
        self.go_on(second, its_gradient, rows, range(20, STEPS))
        before = [moment.clone() for moment in first.state[0]], first.state[1].clone()
        self.go_on(first, gradient, everyone, range(20, STEPS))
        assert torch.equal(fewer, weights[rows])
        assert all(
            torch.equal(mine, theirs[rows]) for mine, theirs in zip(second.state[0], first.state[0], strict=True)
        )
        assert torch.equal(second.state[1], first.state[1])
        assert not torch.equal(before[0][0], first.state[0][0])  # what went on elsewhere had left it alone until now

    def test_the_steps_are_counted(self):
        weights, gradient = start(torch.float32), torch.ones(3, 32)
        first, second = (self.after(Adam, w, gradient, [0, 1, 2]) for w in (weights, weights.clone()))
        self.go_on(first, gradient, [0, 1, 2], range(5))
        second.load(first.state, torch.arange(3))
        assert second.state[1] == 5
