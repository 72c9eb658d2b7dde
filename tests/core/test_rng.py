import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from pipeline.core.rng import Purpose, generator, philox, threshold16, uniform16

SEEDS, STEPS, PURPOSES = st.integers(0, 2**32), st.integers(0, 2**48 - 1), st.sampled_from(Purpose)


def test_streams_never_change():
    """Known first numbers: a change of any stream would change every published result."""
    assert uniform16(0, Purpose.DROPOUT, 0, 6).tolist() == [-18470, 21986, -25413, 30563, 549, 8592]
    assert uniform16(7, Purpose.INPUT_DROPOUT, 123456, 6).tolist() == [-17902, 6862, 15532, -22614, 12759, -2161]
    assert generator(3, Purpose.WEIGHTS, 1).random(2).tolist() == [0.9162547997398899, 0.5164225611536917]
    assert generator(5, Purpose.WEIGHTS).random(2, np.float32).tolist() == [0.25730443000793457, 0.661605715751648]
    assert generator(29, Purpose.ORDER, 5).permutation(8).tolist() == [2, 6, 1, 3, 5, 7, 0, 4]
    normals = generator(1, Purpose.INPUT_NOISE, 2).standard_normal(3, np.float32)
    np.testing.assert_array_equal(normals, np.float32([-0.10970078408718109, -0.5798405408859253, 1.2860652208328247]))


def test_purposes_keep_their_numbers():
    assert {purpose.name: purpose.value for purpose in Purpose} == {
        "WEIGHTS": 1,
        "ORDER": 2,
        "DROPOUT": 3,
        "INPUT_DROPOUT": 4,
        "MIXUP": 5,
        "CUTMIX": 6,
        "CUTMIX_FEATURES": 7,
        "CUTOUT": 8,
        "INPUT_NOISE": 9,
        "CALIBRATION": 10,
        "BOOTSTRAP": 11,
        "SEARCH": 12,
        "OUTPUT_DROPOUT": 13,
        "LABEL_NOISE": 14,
        "TEST_NOISE": 15,
        "MONTE_CARLO": 16,
    }


@given(SEEDS, PURPOSES, STEPS, st.integers(0, 70))
def test_a_stream_is_a_function_of_its_arguments(seed, purpose, step, size):
    once = uniform16(seed, purpose, step, size)
    generator(seed + 1, purpose, step).random(5)
    assert once.shape == (size,)
    np.testing.assert_array_equal(once, uniform16(seed, purpose, step, size))


@given(SEEDS, PURPOSES, STEPS, st.integers(0, 70), st.integers(0, 70))
def test_a_longer_draw_begins_like_a_shorter_one(seed, purpose, step, size, more):
    longer = uniform16(seed, purpose, step, size + more)
    np.testing.assert_array_equal(longer[:size], uniform16(seed, purpose, step, size))


@given(st.tuples(SEEDS, PURPOSES, STEPS), st.tuples(SEEDS, PURPOSES, STEPS))
def test_other_arguments_give_another_stream(one, other):
    same = (philox(*one).random_raw(4) == philox(*other).random_raw(4)).all()
    assert same == (one == other)


def test_keys_of_neighbouring_purposes_do_not_meet():
    last, first = philox(0, Purpose.WEIGHTS, 2**48 - 1).random_raw(4), philox(0, Purpose.ORDER, 0).random_raw(4)
    assert not (last == first).any()


def test_uniforms_are_uniform():
    draws = uniform16(11, Purpose.DROPOUT, 3, 2**18).astype(np.int64) + 32768
    for bits in (draws >> 8, draws & 255, draws % 251):
        counts = np.bincount(bits)
        expected = (
            len(draws) * np.bincount(np.arange(65536) >> 8 if len(counts) == 256 else np.arange(65536) % 251) / 65536
        )
        statistic = ((counts - expected) ** 2 / expected).sum()
        assert chi2.cdf(statistic, len(counts) - 1) == pytest.approx(0.5, abs=0.4999)
    assert draws.min() < 32
    assert draws.max() > 65535 - 32


@pytest.mark.parametrize(
    "other",
    [(12, Purpose.DROPOUT, 3), (11, Purpose.CUTOUT, 3), (11, Purpose.DROPOUT, 4)],
    ids=["seed", "purpose", "step"],
)
def test_streams_are_uncorrelated(other):
    size = 2**16
    one, two = uniform16(11, Purpose.DROPOUT, 3, size), uniform16(*other, size)
    for shift in (0, 1, 4):
        correlation = np.corrcoef(one[: size - shift], two[shift:])[0, 1]
        assert abs(correlation) < norm.isf(1e-6) / np.sqrt(size)


def test_neighbours_within_a_draw_are_uncorrelated():
    draws = uniform16(11, Purpose.DROPOUT, 3, 2**16)
    for shift in (1, 2, 3, 4):
        assert abs(np.corrcoef(draws[shift:], draws[:-shift])[0, 1]) < norm.isf(1e-6) / 2**8


@given(st.floats(0, 1, exclude_max=True))
def test_threshold_is_the_nearest_share(rate):
    share = (threshold16(rate) + 32768) / 65536
    assert abs(share - rate) <= (0.5 if rate < 65535 / 65536 else 1) / 65536
    assert share < 1


def test_threshold_of_zero_drops_nothing():
    assert threshold16(0.0) == np.iinfo(np.int16).min
    assert threshold16(0.5) == 0
