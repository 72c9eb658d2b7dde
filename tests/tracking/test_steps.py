"""Waves of runs that are written at once."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tracking.plan import Step, waves
from pipeline.tracking.runs import DatasetInfo, RunRecord
from pipeline.tracking.steps import _pool


def step(key, parent=None, data=None):
    dataset = data and DatasetInfo(name=data, digest=data, source="s", schema="{}", profile="{}")
    record = RunRecord(key=key, experiment="e", name=key, parent=parent, dataset=dataset)
    return Step(record=record, digest="d", keep=None, delete=(), retire=(), refers={})


def keys(steps):
    return [[each.record.key for each in wave] for wave in waves(steps)]


def test_children_wait_for_their_parent_and_not_for_each_other():
    assert keys([step("a"), step("a/1", "a"), step("a/2", "a"), step("b"), step("b/1", "b")]) == [
        ["a"], ["a/1", "a/2", "b"], ["b/1"],
    ]  # fmt: skip


def test_the_first_run_of_a_data_set_is_alone():
    steps = [step("a"), step("b", data="wine"), step("c", data="wine"), step("d"), step("e", data="iris"), step("f")]
    assert keys(steps) == [["a"], ["b"], ["c", "d"], ["e"], ["f"]]


@given(st.lists(st.integers(0, 3), max_size=30))
def test_all_come_once_in_their_order(parents):
    steps = [step(str(n), str(n - back) if back and n >= back else None) for n, back in enumerate(parents)]
    found = keys(steps)
    assert [key for wave in found for key in wave] == [each.record.key for each in steps]
    assert all(found)
    by_key = {each.record.key: each.record.parent for each in steps}
    assert not any(by_key[key] in wave for wave in found for key in wave)


@pytest.mark.parametrize("writers", [1, 4])
def test_after_an_error_what_has_not_begun_is_left_undone(writers):
    begun = []

    def work(number):
        begun.append(number)
        if number == 0:
            raise ValueError("the server is gone")
        time.sleep(0.02)

    with pytest.raises(ValueError, match="gone"), _pool(writers) as at_once:
        list(at_once(work, range(400)))
    assert len(begun) < 200
