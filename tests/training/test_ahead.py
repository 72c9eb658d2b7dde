import pickle

import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.rng import Purpose
from pipeline.training.ahead import DEPTH, Ahead, at_once
from pipeline.training.random_streams import RandomStreams

ASKED = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["masks", "noise"])), max_size=60)


def drawing(stream, log=None):
    def draw(step):
        if log is not None:
            log.append(step)
        return torch.tensor([step, len(stream)])

    return draw


@given(ASKED)
def test_numbers_are_those_of_the_step_in_whatever_order_steps_come(asked):
    ahead = Ahead()
    for step, stream in asked:
        expected = at_once(drawing(stream), step, stream)
        assert torch.equal(ahead(drawing(stream), step, stream), expected)


@given(ASKED)
def test_few_are_on_their_way(asked):
    ahead = Ahead()
    for step, stream in asked:
        ahead(drawing(stream), step, stream)
        assert len(ahead._coming[stream]) <= 4 * DEPTH


def test_each_step_is_drawn_once_and_before_it_is_asked_for():
    ahead, log = Ahead(), []
    for step in range(20):
        ahead(drawing("masks", log), step, "masks")
        for coming in ahead._coming["masks"].values():
            coming.result()
        assert sorted(log) == list(range(min(step + 1 + (DEPTH if step else 1), 20 + DEPTH)))


def test_batches_of_another_shape_leave_little_behind():
    """The last batch of an epoch of ten steps is smaller; R-drop asks for the same streams far away."""
    ahead = Ahead()
    for step in range(200):
        stream = "small" if step % 10 == 9 else "full"
        for at in (step, 1000 + step):
            foreseen = at in ahead._coming[stream]
            assert foreseen == (stream == "full" and step > 0)
            assert torch.equal(ahead(drawing(stream), at, stream), torch.tensor([at, len(stream)]))
    assert all(len(coming) <= 4 * DEPTH for coming in ahead._coming.values())


def test_what_is_on_its_way_is_not_sent_to_another_process():
    ahead = Ahead()
    ahead(drawing("masks"), 0, "masks")
    assert not pickle.loads(pickle.dumps(ahead))._coming


def test_streams_that_are_drawn_ahead_are_the_same():
    seeds, x = [3, 1, 3], torch.empty(3, 4, 6)
    plain, ahead = RandomStreams(seeds), RandomStreams(seeds)
    ahead._drawn = Ahead()
    for step in (0, 1, 2, 3, 5):
        assert torch.equal(plain.orders(step, 9), ahead.orders(step, 9))
        for draw in ("ranks", "normals"):
            numbers = (getattr(streams, draw)(Purpose.CUTOUT, step, x) for streams in (plain, ahead))
            assert torch.equal(*numbers)
        for shape in ((4, 6), (2, 6)):
            numbers = (streams.uniforms16(Purpose.DROPOUT, step, shape) for streams in (plain, ahead))
            assert torch.equal(*numbers)
