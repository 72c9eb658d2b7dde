import pickle
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import (
    PLAIN,
    calibrated_nll,
    equal,
    held_out_logits,
    kept_epoch,
    members_of,
    point,
    toy_data,
    toy_seeds,
    train_one,
)
from torch.nn.functional import cross_entropy

from pipeline.calibration.calibrator import fit_calibrator
from pipeline.config.params import load_params
from pipeline.config.points import STRENGTHS
from pipeline.core.engines import parse
from pipeline.core.errors import InputError
from pipeline.core.parallel import using
from pipeline.core.rng import Purpose, uniform16
from pipeline.models.build import build
from pipeline.training.early_stopping import EarlyStopping, negative_log_likelihood
from pipeline.training.fit import fit, fit_stack
from pipeline.training.member import Fitted, Member, history_epochs
from pipeline.training.rungs import fit_in_rungs
from pipeline.training.stack import Stack

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
FEATURES = 25  # an image of 5 by 5
CONV, GRU = {"architecture": "conv", "hidden": [6, 5]}, {"architecture": "gru", "hidden": [16]}
ALL_ON = dict.fromkeys(STRENGTHS, 0.3) | {"early_stopping": "nll_calibrated", "max_norm": 1.0}
WIDE = [{"hidden": (128, 128)}, {**CONV, "hidden": (8, 16)}, {**GRU, "hidden": (32,), "shared_dropout": True}]
EXTRA = {
    "sgd": [{"optimizer": "sgd", "momentum": m, "l2": p} for m in (0.0, 0.9) for p in (0.0, 0.1)],
    "sgd_decay": [{"optimizer": "sgd", "weight_decay": 1.0}],
    "cosine": [{"schedule": "cosine", "weight_decay": w} for w in (0.0, 1.0)],
    "rates": [{"learning_rate": rate} for rate in (0.001, 0.003, 0.1)],
    "averaging": [{"averaging": a} for a in (0.0, 0.5, 0.99)],
    "max_norm": [{"max_norm": n} for n in (0.0, 0.5, 3.0)],
    "input_dropout": [{"input_dropout": r} for r in (0.0, 0.2)],
    "normed": [{"batch_norm": True, **more} for more in ({}, {"weight_decay": 0.1}, {"averaging": 0.9, "mixup": 1.0})],
    "patience": [{"early_stopping": rule, "patience": 1, "learning_rate": 0.1} for rule in ("nll", "nll_calibrated")],
    "linear": [{"hidden": []}, {"hidden": [], "input_dropout": 0.5}],
    "output_dropout": [{"output_dropout": r} for r in (0.0, 0.5)],
    "focal_loss": [{"focal_loss": gamma} for gamma in (0.0, 0.5, 2.0)],
    "confidence_penalty": [{"confidence_penalty": beta, "focal_loss": 1.0} for beta in (0.0, 0.3)],
    "r_drop": [{"r_drop": alpha, "dropout": 0.3} for alpha in (0.0, 1.0)],
    "r_drop_normed": [{"r_drop": alpha, "dropout": 0.3, "batch_norm": True} for alpha in (0.0, 1.0)],
    "balance": [{"balance": balance, "mixup": a} for balance in ("none", "weights") for a in (0.0, 0.4)],
    "conv": [{**CONV, "dropout": r, "output_dropout": p} for r, p in ((0.0, 0.0), (0.5, 0.0), (0.2, 0.5))],
    "conv_shared": [{**CONV, "dropout": r, "shared_dropout": True, "optimizer": "sgd"} for r in (0.0, 0.5)],
    "conv_everything": [{**ALL_ON, **CONV}],
    "conv_shared_everything": [{**ALL_ON, **CONV, "shared_dropout": True}],
    "gru": [{**GRU, "dropout": r, "output_dropout": p} for r, p in ((0.0, 0.0), (0.5, 0.0), (0.2, 0.5))],
    "gru_shared": [{**GRU, "dropout": r, "shared_dropout": True, "optimizer": "sgd"} for r in (0.0, 0.5)],
    "gru_everything": [{**ALL_ON, **GRU, "max_norm": 0.0}],
    "gru_shared_everything": [{**ALL_ON, **GRU, "max_norm": 0.0, "shared_dropout": True}],
    "everything": [ALL_ON],
}  # fmt: skip
SMALL = {key: PLAIN[key] for key in ("epochs", "batch_size", "hidden")}
VARIANTS = {
    **{name: [one.model_copy(update=SMALL) for one in variant.points] for name, variant in PARAMS.variants.items()},
    **{name: [point(**changes) for changes in rows] for name, rows in EXTRA.items()},
}

IMAGES = {name for name in VARIANTS if name.startswith(("conv", "gru"))}
OTHER_SHAPES = {"batch_norm", "normed", "sgd", "sgd_decay", "cosine", "linear", "r_drop_normed", *IMAGES}
ONE_SHAPE = [name for name in VARIANTS if name not in OTHER_SHAPES]


def slow(value):
    """A value with which a test takes longer than with the first."""
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def members():
    """Every point of every variant with two seeds."""
    return {name: members_of(points) for name, points in VARIANTS.items()}


@pytest.fixture(scope="module")
def data(members):
    return toy_seeds(chain.from_iterable(members.values()), features=FEATURES)


class Alone(dict):
    """Each member of a variant fitted in a stack of its own, once somebody asks."""

    def __init__(self, members, data):
        self.members, self.data = members, data

    def __missing__(self, name):
        self[name] = [fit_stack([member], self.data) for member in self.members[name]]
        return self[name]


@pytest.fixture(scope="module")
def alone(members, data):
    return Alone(members, data)


@pytest.mark.slow
class TestABitForBitEqualMember:
    """A member's result never depends on what it is trained beside, or how."""

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_within_its_variant(self, members, data, alone, variant):
        (together,) = fit([members[variant]], data)
        assert equal(together, Fitted.join(alone[variant]))

    @pytest.mark.parametrize("chunk", [slow(1), 5, slow(16), slow(60)])
    def test_among_all_others_under_any_chunking(self, members, data, alone, chunk):
        fitted = fit(list(members.values()), data, chunk=chunk)
        unequal = [name for name, one in zip(members, fitted, strict=True) if not equal(one, Fitted.join(alone[name]))]
        assert not unequal

    @pytest.mark.parametrize("variant", ["dropout", "batch_norm", slow("combined"), "sgd", "conv", "gru_shared"])
    def test_with_two_threads(self, members, data, alone, variant):
        stacks = [[member] for member in members[variant]] if variant == "combined" else [members[variant][:2]]
        for place, stack in enumerate(stacks):
            whole = fit_stack(stack, data, threads=2)
            assert equal(whole, Fitted.join(alone[variant][place : place + len(stack)]))

    @pytest.mark.parametrize("kind", [WIDE[0], *map(slow, WIDE[1:])], ids=str)
    def test_with_two_threads_at_a_size_that_threads_share(self, kind):
        rows = {"train": 140, "validation": 300, "test": 20}
        points = [point(**kind, batch_size=64, epochs=2, dropout=rate) for rate in (0.0, 0.2, 0.5, 0.8)]
        members = members_of(points, range(2))
        data = toy_seeds(members, rows=rows, features=64)
        one, two = (fit_stack(members, data, threads=threads) for threads in (1, 2))
        assert torch.get_num_threads() == 2
        assert equal(one, two)
        assert equal(one.row(7), fit_stack([members[7]], data, threads=2))

    @pytest.mark.parametrize(
        ("engine", "variants"),
        [
            ("threads", ["dropout", "conv", "gru_shared"]),
            pytest.param("loky", list(VARIANTS), marks=pytest.mark.slow),
        ],
    )
    def test_with_other_workers(self, members, data, alone, engine, variants):
        with using(parse(engine)):
            fitted = fit([members[name] for name in variants], data, jobs=2, chunk=5)
        assert all(equal(one, Fitted.join(alone[name])) for name, one in zip(variants, fitted, strict=True))

    @pytest.mark.slow
    def test_long_training_is_by_processes_and_is_told_of_by_chunks(self, members, data, alone, monkeypatch):
        epochs = []
        for long in (1e9, 0):
            monkeypatch.setattr("pipeline.training.fit.LONG", long)
            (fitted,) = fit([members["dropout"]], data, jobs=2, chunk=5, tick=epochs.append)
            assert equal(fitted, Fitted.join(alone["dropout"]))
            epochs.append("all")
        by_threads, by_processes = epochs[: (end := epochs.index("all"))], epochs[end + 1 : -1]
        assert sum(by_threads) == sum(by_processes)
        assert len(by_processes) < len(by_threads)

    @settings(max_examples=25, deadline=None)
    @given(st.data())
    @pytest.mark.slow
    def test_in_random_sub_stacks_in_random_order(self, members, data, alone, draw):
        shape = (
            "none",
            "dropout",
            "weight_decay",
            "l2",
            "label_smoothing",
            "early_stopping",
            "augmentation",
            "combined",
        )
        pool = [(name, place) for name in shape for place in range(len(members[name]))]
        chosen = draw.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=12))
        fitted = fit_stack([members[name][place] for name, place in chosen], data)
        assert equal(fitted, Fitted.join([alone[name][place] for name, place in chosen]))

    def test_the_cases_include_a_smaller_last_batch(self, data):
        assert len(data[0].labels["train"]) % PLAIN["batch_size"] not in (0, 1)

    def test_groups_of_other_shapes_come_back_in_their_order(self, data):
        groups = [members_of([point(hidden=(5,)), point()]), members_of([point(epochs=2)]), members_of([point()], (1,))]
        fitted = fit(groups, data, chunk=2)
        for group, result in zip(groups, fitted, strict=True):
            assert equal(result, Fitted.join([fit_stack([member], data) for member in group]))

    def test_ticks_count_members_and_epochs(self, data):
        ticks = []
        fit([members_of([point()]), members_of([point(epochs=2)])], data, tick=ticks.append)
        assert sum(ticks) == 2 * PLAIN["epochs"] + 2 * 2


def keep(stack, numbers):
    with torch.inference_mode():
        stack.keep(numbers)


def run_on(stack, epochs):
    with torch.inference_mode():
        for epoch in epochs:
            stack.run_epoch(epoch)


@pytest.mark.slow
class TestKeepingSome:
    """Whoever leaves a stack, and whenever: the others have the bits they have alone."""

    def leave(self, members, data, stays, *, pickled=()):
        """Train; after each epoch those stay whom `stays` gives by their number at that time. Also who is left."""
        stack, left = Stack(members, data, torch.float32), list(range(len(members)))
        for epoch, numbers in enumerate(stays):
            run_on(stack, [epoch])
            if numbers is not None:
                keep(stack, numbers)
                left = [left[number] for number in numbers]
            if epoch in pickled:
                stack = pickle.loads(pickle.dumps(stack))
        run_on(stack, range(len(stays), stack.epochs))
        with torch.inference_mode():
            return stack.finish(), left

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_within_its_variant(self, members, data, alone, variant):
        together, among = members[variant], range(0, len(members[variant]), 2)
        fitted, left = self.leave(together, data, [list(among), None, [len(among) - 1]], pickled=[1])
        assert left == [among[-1]]
        assert equal(fitted, alone[variant][left[0]])

    @settings(max_examples=40, deadline=None)
    @given(st.data())
    @pytest.mark.slow
    def test_random_ones_in_a_random_order(self, members, data, alone, draw):
        pool = [(name, number) for name in ONE_SHAPE for number in range(len(members[name]))]
        chosen = draw.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=9, unique=True))
        stays, size = [], len(chosen)
        for _ in range(PLAIN["epochs"] - 1):
            stays.append(draw.draw(st.none() | st.lists(st.integers(0, size - 1), min_size=1, unique=True)))
            size = size if stays[-1] is None else len(stays[-1])
        pickled = draw.draw(st.sets(st.integers(0, PLAIN["epochs"] - 2)))
        together = [members[name][number] for name, number in chosen]
        fitted, left = self.leave(together, data, stays, pickled=pickled)
        assert equal(fitted, Fitted.join([alone[chosen[row][0]][chosen[row][1]] for row in left]))

    @pytest.mark.parametrize("options", [{}, {"batch_norm": True}, {"optimizer": "sgd"}], ids=str)
    def test_machinery_that_is_off_after_all(self, data, options):
        """Everything was on for the one who leaves; whoever stays goes on without."""
        wild = point(**dict.fromkeys(STRENGTHS, 0.3) | {"early_stopping": "nll_calibrated"} | options)
        together = members_of([wild, point(**options)], (0, 1))
        fitted, left = self.leave(together, data, [None, [3, 2]])
        assert equal(fitted, Fitted.join([fit_stack([together[number]], data) for number in left]))

    def test_one_who_has_diverged(self, data):
        wild = point(optimizer="sgd", learning_rate=1e30)
        together = members_of([wild, point(optimizer="sgd"), wild], (0,))
        for stays in ([[1]], [[0, 1], [1]], [[2, 1]]):
            fitted, left = self.leave(together, data, stays)
            assert equal(fitted.row(left.index(1)), fit_stack([together[1]], data))

    @pytest.mark.slow
    def test_with_two_threads_at_a_size_that_threads_share(self):
        rows = {"train": 140, "validation": 300, "test": 20}
        points = [point(hidden=(128, 128), batch_size=64, epochs=2, dropout=rate) for rate in (0.0, 0.5)]
        members = members_of(points, range(3))
        data = toy_seeds(members, rows=rows)
        torch.set_num_threads(2)
        for numbers in ([3], [5, 4, 1]):
            fitted, _ = self.leave(members, data, [numbers])
            assert equal(fitted, Fitted.join([fit_stack([members[number]], data) for number in numbers]))
            torch.set_num_threads(2)

    @pytest.mark.parametrize("numbers", [[2], [3, 0]], ids=str)
    def test_at_a_width_and_a_last_row_that_take_other_kernels(self, numbers):
        members = members_of([point(hidden=[128, 128], batch_size=64, epochs=2)], range(4))
        data = toy_seeds(members, rows={"train": 65, "validation": 40, "test": 257})
        fitted, _ = self.leave(members, data, [numbers])
        assert equal(fitted, Fitted.join([fit_stack([members[number]], data) for number in numbers]))

    def test_logits_are_of_the_weights_that_would_be_used_by_now(self, data):
        """Those that early stopping has kept, or the last ones: in every epoch as after a training that ends there."""
        stopping = [point(early_stopping=rule, patience=1, learning_rate=0.2) for rule in ("nll", "nll_calibrated")]
        members = members_of([*stopping, point(averaging=0.9), point()], (0, 1))
        stack = Stack(members, data, torch.float32)
        for epoch in range(stack.epochs):
            run_on(stack, [epoch])
            with torch.inference_mode():
                found = stack.logits(["validation", "test"])
            for place, member in enumerate(members):
                shorter = member.point.model_copy(update={"epochs": epoch + 1})
                alone = fit_stack([replace(member, point=shorter)], data).logits
                for split, logits in found.items():
                    np.testing.assert_array_equal(logits[place], alone[split][0])
        assert stack.early_stopping.epochs.min() < stack.epochs

    def test_a_pickled_stack_has_no_buffers_and_is_no_larger_than_its_state(self, members, data):
        stack = Stack(members["combined"], data, torch.float32)
        run_on(stack, [0])
        bare = {name for name, value in vars(stack).items() if isinstance(value, torch.Tensor)}
        assert stack.workspaces
        assert {"gradient", "workspaces", "optimizer", "arrays"}.isdisjoint(stack.__getstate__())
        assert {"flat", "average"} <= bare
        twin = pickle.loads(pickle.dumps(stack))
        assert (twin.average is twin.flat) == (stack.average is stack.flat)
        assert twin.early_stopping.flat is twin.average


@pytest.fixture(scope="module")
def ends(data):
    """Validation logits of both seeds of a point, each fitted alone; made when first asked for."""
    made = {}

    def end(one, seeds=(0, 1)):
        if one not in made:
            fitted = [fit_stack([Member(one, seed)], data) for seed in seeds]
            made[one] = np.stack([each.logits["validation"][0] for each in fitted])
        return made[one]

    return end


POINTS = [one for points in VARIANTS.values() for one in points]


def trained_in_rungs(points, data, stays, **options):
    """Train groups of two seeds; `stays` says by epoch which groups may. Logits by group, ticks, and calls."""
    ticks, calls = [], []

    def survivors(epoch, reached):
        calls.append((epoch, sorted(reached)))
        return [group for group in reached if group in stays[epoch]]

    groups = [members_of([one]) for one in points]
    logits = fit_in_rungs(groups, data, rungs=sorted(stays), survivors=survivors, tick=ticks.append, **options)
    return logits, ticks, calls


@pytest.mark.slow
class TestRungs:
    def check(self, points, data, ends, stays, **options):
        logits, ticks, calls = trained_in_rungs(points, data, stays, **options)
        left = set(range(len(points)))
        for epoch, reached in calls:
            assert reached == sorted(left)
            left &= set(stays[epoch])
        assert [epoch for epoch, _ in calls] == sorted(stays)
        assert logits.keys() == left
        for group, values in logits.items():
            assert values.tobytes() == ends(points[group]).tobytes()
        assert sum(ticks) == len(points) * 2 * PLAIN["epochs"]

    @pytest.mark.parametrize("chunk", [slow(1), 5, slow(16)])
    def test_every_variant_and_every_third_stays(self, data, ends, chunk):
        everyone = range(len(POINTS))
        stays = {1: [g for g in everyone if g % 3 != 1], 3: [g for g in everyone if g % 3 == 0]}
        self.check(POINTS, data, ends, stays, chunk=chunk)

    @pytest.mark.slow
    @settings(max_examples=40, deadline=None)
    @given(st.data())
    def test_random_survivors(self, data, ends, draw):
        points = draw.draw(st.lists(st.sampled_from(POINTS), min_size=1, max_size=6))
        rungs = draw.draw(st.sets(st.integers(1, PLAIN["epochs"] - 1)))
        some = st.sets(st.integers(0, len(points) - 1))
        stays = {epoch: draw.draw(some) for epoch in sorted(rungs)}
        self.check(points, data, ends, stays, chunk=draw.draw(st.sampled_from([1, 3, 5, 16])))

    @pytest.mark.parametrize("stays", [{}, {2: range(9)}, {1: [], 2: []}, {1: range(9), 3: [8]}], ids=str)
    def test_nobody_all_and_one(self, data, ends, stays):
        self.check(POINTS[:9], data, ends, stays)

    @pytest.mark.slow
    def test_threads(self, data, ends):
        with using(parse("threads")):
            self.check(POINTS, data, ends, {1: range(0, len(POINTS), 2), 2: range(0, len(POINTS), 4)}, jobs=2, chunk=5)

    @pytest.mark.slow
    def test_processes_to_which_stacks_are_sent_half_way(self, data, ends):
        stays = {1: range(0, len(POINTS), 2), 2: range(0, len(POINTS), 4)}
        with using(parse("loky")):
            self.check(POINTS, data, ends, stays, jobs=2, chunk=5)

    def test_what_is_told_is_what_training_up_to_there_gives(self, data):
        points = [point(), point(dropout=0.5, mixup=0.4), point(averaging=0.9, cutmix=1.0), point(max_norm=0.5)]
        points += [point(early_stopping=rule, learning_rate=0.2) for rule in ("nll", "nll_calibrated")]
        received = {}

        def survivors(epoch, reached):
            received[epoch] = reached
            return reached

        fit_in_rungs([members_of([one]) for one in points], data, rungs=[1, 3], survivors=survivors, chunk=3)
        for epoch, reached in received.items():
            for group, logits in reached.items():
                shorter = points[group].model_copy(update={"epochs": epoch})
                (expected,) = fit([members_of([shorter])], data)
                np.testing.assert_array_equal(logits, expected.logits["validation"])


class AllOn(Stack):
    """A stack whose machinery runs for every strength, whatever its value."""

    def _read_strengths(self):
        strengths = super()._read_strengths()
        strengths.on = dict.fromkeys(strengths.on, True)
        return strengths


def run(stack):
    with torch.inference_mode():
        for epoch in range(stack.epochs):
            stack.run_epoch(epoch)
        return stack.finish()


class TestOffIsExactlyZero:
    @pytest.mark.parametrize("options", [{}, {"batch_norm": True}, {"optimizer": "sgd"}, CONV, GRU], ids=str)
    def test_machinery_at_strength_zero_changes_no_bit(self, data, options):
        members = members_of([point(**options)])
        assert equal(run(AllOn(members, data, torch.float32)), fit_stack(members, data))

    @pytest.mark.parametrize(
        ("name", "kind"),
        [(name, k) for name in STRENGTHS for k in ({}, CONV, GRU) if not (name == "max_norm" and k is GRU)],
    )
    def test_a_neighbour_that_is_on_changes_no_bit(self, data, name, kind):
        kind = kind | ({"dropout": 0.3} if name == "r_drop" else {})  # which compares two masks
        beside = fit_stack(members_of([point(**kind), point(**kind, **{name: 0.3})], (0,)), data)
        plain = fit_stack(members_of([point(**kind)], (0,)), data)
        assert equal(beside.row(0), plain)
        assert not equal(beside.row(1), plain)

    @pytest.mark.parametrize("more", [{}, {"focal_loss": 1.0, "r_drop": 0.5, "dropout": 0.3}, CONV, GRU], ids=str)
    def test_a_balanced_neighbour_changes_no_bit(self, data, more):
        beside = fit_stack(members_of([point(**more), point(**more, balance="weights")], (0,)), data)
        assert equal(beside.row(0), fit_stack(members_of([point(**more)], (0,)), data))
        assert not equal(beside.row(1), beside.row(0))

    def test_weights_of_classes_that_are_as_frequent_change_no_bit(self):
        even = toy_data(0, rows={"train": 36, "validation": 23, "test": 11}, features=FEATURES)
        even = replace(even, labels={**even.labels, "train": np.arange(36) % 3})
        plain, balanced = (fit_stack([Member(point(balance=b), 0)], {0: even}) for b in ("none", "weights"))
        assert equal(plain, balanced)

    @pytest.mark.parametrize("rule", ["nll", "nll_calibrated"])
    def test_a_neighbour_that_stops_early_changes_no_bit(self, data, rule):
        stopped = point(early_stopping=rule, patience=1, learning_rate=0.2)
        beside = fit_stack(members_of([point(), stopped], (0,)), data)
        assert equal(beside.row(0), fit_stack(members_of([point()], (0,)), data))
        assert beside.epochs[1] < beside.epochs[0] == PLAIN["epochs"]


BOOK = {
    "plain": {},
    "dropout": {"dropout": 0.5},
    "rare dropout": {"dropout": 0.2, "batch_norm": True},
    "input dropout": {"input_dropout": 0.2},
    "smoothing": {"label_smoothing": 0.1},
    "adamw": {"weight_decay": 5.0},
    "adam with l2": {"l2": 0.5},
    "cosine adamw": {"weight_decay": 5.0, "schedule": "cosine"},
    "sgd": {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.1},
    "sgd with momentum and l2": {"optimizer": "sgd", "l2": 0.3, "learning_rate": 0.1, "schedule": "cosine"},
    "sgd with decay": {"optimizer": "sgd", "weight_decay": 0.5, "learning_rate": 0.1, "schedule": "cosine"},
    "mixup": {"mixup": 0.4},
    "cutmix": {"cutmix": 1.0},
    "mixup and cutmix": {"mixup": 1.0, "cutmix": 0.5},
    "cutout": {"cutout": 0.3},
    "noise": {"noise": 0.5},
    "max norm": {"max_norm": 0.5},
    "batch norm": {"batch_norm": True},
    "batch norm, averaged": {"batch_norm": True, "averaging": 0.8, "noise": 0.3},
    "averaging": {"averaging": 0.8},
    "long averaging": {"averaging": 0.999},
    "stopping": {"early_stopping": "nll", "learning_rate": 0.1, "epochs": 8},
    "stopping after scaling": {"early_stopping": "nll_calibrated", "learning_rate": 0.1, "epochs": 8},
    "patience": {"early_stopping": "nll", "learning_rate": 0.1, "epochs": 8, "patience": 2},
    "linear": {"hidden": []},
    "output dropout": {"output_dropout": 0.5},
    "focal loss": {"focal_loss": 2.0},
    "focal loss below 1, mixed and smooth": {"focal_loss": 0.5, "mixup": 0.4, "label_smoothing": 0.1},
    "confidence penalty": {"confidence_penalty": 0.5},
    "confidence penalty, focal loss and dropped logits": {
        "confidence_penalty": 0.3, "focal_loss": 1.0, "output_dropout": 0.3,
    },
    "r-drop": {"r_drop": 1.0, "dropout": 0.5},
    "r-drop, everything dropped": {
        "r_drop": 5.0, "dropout": 0.3, "input_dropout": 0.2, "output_dropout": 0.2, "batch_norm": True,
    },
    "r-drop, conv": {**CONV, "r_drop": 2.0, "dropout": 0.4, "focal_loss": 1.0},
    "r-drop, gru": {**GRU, "r_drop": 2.0, "dropout": 0.4},
    "class weights": {"balance": "weights"},
    "class weights, mixed and smooth": {"balance": "weights", "mixup": 0.4, "label_smoothing": 0.1},
    "class weights, focal loss and a second pass": {
        "balance": "weights", "focal_loss": 1.0, "confidence_penalty": 0.2, "r_drop": 1.0, "dropout": 0.3,
    },
    "class weights, stopping": {"balance": "weights", "early_stopping": "nll", "learning_rate": 0.1, "epochs": 8},
    "conv": CONV,
    "conv with dropout": {**CONV, "dropout": 0.4, "max_norm": 0.5},
    "conv with spatial dropout": {**CONV, "dropout": 0.4, "shared_dropout": True, "weight_decay": 5.0},
    "gru": GRU,
    "gru with dropout": {**GRU, "dropout": 0.4, "l2": 0.5},
    "gru with variational dropout": {**GRU, "dropout": 0.4, "shared_dropout": True, "output_dropout": 0.2},
    "all": dict.fromkeys(STRENGTHS, 0.3) | {"l2": 0.0, "batch_norm": True, "early_stopping": "nll"},
}  # fmt: skip


LONG = {
    *("r-drop, conv", "r-drop, gru", "r-drop, everything dropped", "confidence penalty, focal loss and dropped logits"),
    *("class weights, stopping", "class weights, focal loss and a second pass", "class weights, mixed and smooth"),
    *("conv with spatial dropout", "gru with dropout", "batch norm, averaged", "stopping after scaling", "patience"),
}  # whose parts are in other cases too


def exact_logits(stack, splits):
    """Logits in the type of training."""
    kept, *halves = stack.early_stopping.kept
    exact = {split: stack._logits(kept, split).numpy() for split in splits}
    for weights, start in zip(halves, (0, 1), strict=True):
        exact["validation"][:, start::2] = stack._logits(weights, "validation").numpy()[:, start::2]
    return exact


@pytest.mark.parametrize("case", [slow(case) if case in LONG else case for case in BOOK])
class TestByTheBook:
    """The whole engine against one ordinary network in an ordinary loop."""

    def compare(self, fitted, changes, dtype, tolerance):
        for row in range(2):
            one, own = point(**changes), toy_data(row, features=FEATURES)
            evaluations, kept = train_one(one, own, row, dtype)
            assert fitted.epochs[row] == kept
            expected = {split: evaluations[kept][split][0] for split in fitted.logits}
            expected["validation"] = held_out_logits(one, evaluations, own.labels["validation"])
            for split, logits in fitted.logits.items():
                np.testing.assert_allclose(logits[row], expected[split], rtol=tolerance, atol=tolerance)
            for column, epoch in enumerate(history_epochs(len(evaluations) - 1)):
                for split in ("train", "validation"):
                    _, nll, accuracy = evaluations[epoch][split]
                    assert fitted.history[f"{split}/nll"][row, column] == pytest.approx(
                        nll, rel=tolerance, abs=tolerance
                    )
                    assert fitted.history[f"{split}/accuracy"][row, column] == accuracy

    def test_in_float64(self, data, case):
        stack = Stack(members_of([point(**BOOK[case])]), data, torch.float64)
        with torch.inference_mode():
            fitted = run(stack)
            exact = exact_logits(stack, fitted.logits)
        self.compare(replace(fitted, logits=exact), BOOK[case], torch.float64, 1e-9)

    @pytest.mark.slow
    def test_in_float32(self, data, case):
        changes = dict(BOOK[case])
        if changes.get("batch_norm"):  # a bias before it has no gradient but rounding, which Adam would blow up
            changes["optimizer"] = "sgd"
        self.compare(fit_stack(members_of([point(**changes)]), data), changes, torch.float32, 2e-4)


def test_r_drop_without_dropout_compares_equal_passes_and_changes_no_bit(data):
    plain, compared = (fit_stack(members_of([point(batch_norm=True, r_drop=alpha)]), data) for alpha in (0.0, 3.0))
    assert equal(plain, compared)


class TestTheBeginning:
    def test_all_points_of_a_seed_have_the_same_first_weights(self, members, data):
        stack = Stack([*members["none"], *members["dropout"], *members["combined"]], data, torch.float32)
        rows = stack.flat.numpy()
        first = {0: rows[0], 1: rows[1]}
        assert not np.array_equal(rows[0], rows[1])
        assert all(np.array_equal(row, first[index % 2]) for index, row in enumerate(rows))

    def test_history_starts_before_training(self, data):
        fitted = fit_stack(members_of([point(epochs=1), point(epochs=1, learning_rate=0.1)], (0,)), data)
        assert fitted.history["train/nll"].shape == (2, 2)
        assert fitted.history["train/nll"][0, 0] == fitted.history["train/nll"][1, 0]
        assert fitted.history["train/nll"][0, 1] != fitted.history["train/nll"][1, 1]


@given(st.integers(1, 100_000))
def test_history_epochs(epochs):
    recorded = history_epochs(epochs)
    assert recorded[0] == 0
    assert recorded[-1] == epochs
    assert (np.diff(recorded) > 0).all()
    assert len(recorded) <= 25
    assert epochs > 5 or recorded.tolist() == list(range(epochs + 1))


class TestHistory:
    def test_is_plain_cross_entropy_for_every_variant(self):
        draw = torch.Generator().manual_seed(0)
        logits, labels = torch.randn(3, 40, 5, generator=draw) * 8, torch.randint(5, (3, 40), generator=draw)
        losses = negative_log_likelihood(logits, labels)
        assert losses.dtype == np.float64
        expected = [cross_entropy(x.double(), y).item() for x, y in zip(logits, labels, strict=True)]
        np.testing.assert_allclose(losses, expected, rtol=1e-13)

    def test_accuracy_gives_a_tie_to_the_first_class(self, data):
        stack = Stack(members_of([point()]), data, torch.float32)
        stack.flat.zero_()
        stack.records.clear()
        stack._record(0)
        for split in ("train", "validation"):
            expected = [np.mean(data[seed].labels[split] == 0) for seed in (0, 1)]
            np.testing.assert_array_equal(stack.records[0][f"{split}/accuracy"], expected)

    def test_the_last_epoch_agrees_with_the_logits(self, data):
        fitted = fit_stack(members_of([point(dropout=0.5), point(averaging=0.9)]), data)
        for split in ("train", "validation"):
            labels = np.stack([data[seed].labels[split] for seed in (0, 1, 0, 1)])
            losses = negative_log_likelihood(torch.from_numpy(fitted.logits[split]), torch.from_numpy(labels))
            np.testing.assert_array_equal(fitted.history[f"{split}/nll"][:, -1], losses)
            accuracy = (fitted.logits[split].argmax(-1) == labels).mean(-1)
            np.testing.assert_array_equal(fitted.history[f"{split}/accuracy"][:, -1], accuracy)


class TestEarlyStopping:
    def run(self, points, epochs=30):
        """Random logits, in which each epoch's weights are its number."""
        rng = np.random.default_rng(4)
        flat, labels = torch.zeros(len(points), 2), rng.integers(0, 3, (len(points), 20))
        stopping, seen = EarlyStopping(points, flat), []
        for epoch in range(1, epochs + 1):
            logits = (rng.standard_normal((len(points), 20, 3)) * rng.uniform(0.5, 3)).astype(np.float32)
            flat.fill_(epoch)
            stopping.update(epoch, torch.from_numpy(logits), labels)
            seen.append(logits)
        assert (stopping.kept.numpy() == stopping.epochs[..., None]).all()
        return stopping.epochs, np.stack(seen, 1), labels

    def test_each_member_keeps_the_epoch_an_obvious_loop_picks(self):
        patiences = (0, 1, 3, 8, 29)
        ruled = [{"early_stopping": rule, "patience": p} for rule in ("nll", "nll_calibrated") for p in patiences]
        points = [point(epochs=30, **rule) for rule in (*ruled, {})]
        kept, seen, labels = self.run(points)
        for member, one in enumerate(points):
            evaluations = [None, *({"validation": (logits,)} for logits in seen[member])]
            for view, rows in enumerate((slice(None), slice(1, None, 2), slice(0, None, 2))):
                assert kept[view, member] == kept_epoch(one, evaluations, labels[member], rows)

    def test_the_first_of_equal_epochs_is_kept(self):
        stopping = EarlyStopping([point(early_stopping="nll"), point()], torch.zeros(2, 1))
        for epoch in (1, 2, 3):
            stopping.update(epoch, torch.ones(2, 4, 3), np.zeros((2, 4), np.int64))
        assert stopping.epochs.tolist() == [[1, 3]] * 3

    def test_scaling_finds_the_optimum_of_an_obvious_search(self):
        rng = np.random.default_rng(3)
        logits, labels = rng.standard_normal((40, 3)) * 4, rng.integers(0, 3, 40)
        slope = fit_calibrator(logits, labels).slope
        mine = cross_entropy(torch.tensor(logits * slope), torch.tensor(labels)).item()
        assert mine == pytest.approx(calibrated_nll(logits, labels), abs=1e-8)


class TestDivergence:
    """A member that blows up harms nobody else."""

    @pytest.mark.parametrize(
        "changes", [{}, {"optimizer": "sgd"}, {"batch_norm": True}, {"averaging": 0.9}, CONV, GRU], ids=str
    )
    def test_neighbours_keep_their_bits(self, data, changes):
        wild = point(**{**changes, "learning_rate": 1e30})
        limit = {} if changes is GRU else {"max_norm": 1.0}
        members = members_of([point(**changes), wild, point(**changes, dropout=0.5, **limit)], (0,))
        together = fit_stack(members, data)
        assert not np.isfinite(together.history["train/nll"][1, -1]) or together.history["train/nll"][1, -1] > 1e3
        for place in (0, 2):
            assert equal(together.row(place), fit_stack([members[place]], data))

    @pytest.mark.parametrize("rule", ["nll", "nll_calibrated"])
    def test_neighbours_may_stop_early(self, data, rule):
        wild = point(optimizer="sgd", learning_rate=1e30)
        calm = point(optimizer="sgd", early_stopping=rule)
        together = fit_stack([Member(calm, 0), Member(wild, 0)], data)
        assert equal(together.row(0), fit_stack([Member(calm, 0)], data))

    @pytest.mark.parametrize("rule", ["nll", "nll_calibrated"])
    def test_a_diverging_member_may_stop_early(self, data, rule):
        wild = Member(point(optimizer="sgd", learning_rate=1e30, early_stopping=rule), 0)
        calm = Member(point(optimizer="sgd"), 0)
        together = fit_stack([wild, calm], data)
        assert equal(together.row(1), fit_stack([calm], data))
        assert together.epochs[0] < PLAIN["epochs"]


def test_a_last_batch_of_one_row_is_fitted(data):
    """36 + 1 rows: the last batch has one."""
    fitted = fit_stack(members_of([point(batch_size=36), point(batch_size=36, dropout=0.5)]), data)
    assert np.isfinite(fitted.logits["test"]).all()


def test_equal_uniforms_are_ranked_in_the_order_of_features():
    members = members_of([point(cutout=0.5)], (0,))
    stack = Stack(members, toy_seeds(members, features=600), torch.float32)
    x = torch.zeros(1, 16, 600)
    ranks = stack.streams.ranks(Purpose.CUTOUT, 0, x)[0].numpy()
    uniforms = uniform16(0, Purpose.CUTOUT, 0, 16 * 600).reshape(16, 600)
    assert any(len(set(row)) < 600 for row in uniforms.tolist())
    for row, mine in zip(uniforms.tolist(), ranks, strict=True):
        assert mine[sorted(range(600), key=lambda feature: (row[feature], feature))].tolist() == list(range(600))


def test_dropout_without_hidden_layers_drops_nothing(data):
    linear = [point(hidden=[]), point(hidden=[], dropout=0.5)]
    fitted = fit_stack(members_of(linear, (0,)), data)
    assert np.array_equal(fitted.logits["test"][0], fitted.logits["test"][1])


@pytest.mark.parametrize("changes", [{}, *map(slow, ({"dropout": 0.5}, {"optimizer": "sgd"}))], ids=str)
@pytest.mark.parametrize("kind", WIDE, ids=str)
def test_a_row_alone_in_its_batch_has_the_same_bits_in_every_stack(kind, changes):
    members = members_of([point(**kind, batch_size=64, epochs=2, **changes)], range(8))
    wide = toy_seeds(members, rows={"train": 65, "validation": 40, "test": 257}, features=64)
    stacked = fit([members], wide, chunk=8)[0]
    for chunk in (1, 3, 7):
        cut = fit([members], wide, chunk=chunk)[0]
        for split in stacked.logits:
            assert np.array_equal(cut.logits[split], stacked.logits[split]), (chunk, split)


class TestWeights:
    """The weights that are kept are those that the logits are of."""

    @pytest.mark.parametrize("variant", [slow(v) if v in IMAGES - {"conv", "gru"} else v for v in VARIANTS])
    def test_reproduce_the_logits_and_have_the_same_bits_in_every_stack(self, members, data, variant):
        group = members[variant]
        together = fit([group], data, weights=True, chunk=3)[0]
        assert together.weights.dtype == np.float32
        for place, member in enumerate(group):
            network = build(member.point, FEATURES, 3)
            weights = together.weights[[place, place]]
            assert weights.shape == (2, network.layout.size)
            arrays = network.layout.views(torch.from_numpy(weights))
            for split, x in data[member.seed].features.items():
                if split == "validation" and member.point.early_stopping != "none":
                    continue  # predicted by weights that these rows have not chosen
                logits = network.predict(arrays, torch.from_numpy(np.stack([x, x])))[0].numpy()
                assert np.array_equal(logits, together.logits[split][place])
            assert equal(together.row(place), fit_stack([member], data, weights=True))

    @pytest.mark.parametrize("variant", ["dropout", *(slow(v) for v in VARIANTS if v != "dropout")])
    def test_are_given_back_where_they_are_wanted_alone(self, alone, variant):
        assert {one.weights.shape for one in alone[variant]} == {(1, 0)}

    def test_change_nothing_else_where_they_are_given_back(self, members, data, alone):
        wanted = fit_stack(members["dropout"], data, weights=True)
        assert equal(replace(wanted, weights=wanted.weights[:, :0]), Fitted.join(alone["dropout"]))


def test_further_splits_have_features_alone_and_change_no_bit(data):
    more = {
        seed: replace(one, features={**one.features, "noisy": one.features["test"] * 2, "copy": one.features["test"]})
        for seed, one in data.items()
    }
    members = members_of([point(), point(dropout=0.5), point(**CONV), point(**GRU)])
    (plain,), (fitted,) = fit([members], data), fit([members], more, chunk=3)
    assert list(fitted.logits) == ["train", "validation", "test", "noisy", "copy"]
    assert np.array_equal(fitted.logits["copy"], fitted.logits["test"])
    assert not np.array_equal(fitted.logits["noisy"], fitted.logits["test"])
    assert equal(replace(fitted, logits={split: fitted.logits[split] for split in plain.logits}), plain)


def test_members_whose_masks_differ_stand_apart(data):
    kinds = [{**kind, "shared_dropout": shared, "dropout": 0.5} for kind in (CONV, GRU) for shared in (False, True)]
    members = members_of([point(**kind) for kind in kinds], (0,))
    (fitted,) = fit([members], data)
    assert not np.array_equal(fitted.logits["test"][0], fitted.logits["test"][1])
    assert not np.array_equal(fitted.logits["test"][2], fitted.logits["test"][3])


def test_dropout_drops_logits_in_training_alone(data):
    stack = Stack(members_of([point(output_dropout=0.5)]), data, torch.float32)
    with torch.inference_mode():
        assert stack.masks.hidden(stack.network.masks(16), 16, 0) is None
        kept = stack.masks.like("output_dropout", Purpose.OUTPUT_DROPOUT, 0, torch.zeros(2, 16, 3))
    assert set(kept.flatten().tolist()) == {0.0, 2.0}
    assert not torch.equal(kept[0], kept[1])
    expected = uniform16(0, Purpose.OUTPUT_DROPOUT, 0, 48).reshape(16, 3) >= 0
    assert np.array_equal(kept[0].numpy() > 0, expected)
    assert kept[:, :, 0].any()
    first = fit_stack(members_of([point(output_dropout=0.5)]), data).history["train/nll"][:, 0]
    assert np.array_equal(first, fit_stack(members_of([point()]), data).history["train/nll"][:, 0])


def test_images_are_square():
    members = members_of([point(**CONV)])
    with pytest.raises(InputError, match="architecture conv needs a square number of features, got 7"):
        fit([members], toy_seeds(members))


def test_a_last_batch_of_one_row_has_no_batch_statistics(data):
    with pytest.raises(InputError, match=r"batch_norm .* batch_size 36, which leaves one of the 37 training rows"):
        fit_stack(members_of([point(batch_size=36, batch_norm=True)]), data)


def test_the_caller_finds_torch_as_it_was(data):
    state = torch.random.get_rng_state()
    np_state = np.random.get_state()[1].copy()  # noqa: NPY002  (the global state is what is looked at)
    fit_stack(members_of([point(dropout=0.5, noise=0.3)]), data)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], np_state)  # noqa: NPY002
    assert torch.is_grad_enabled()
