"""Members are read as what the data set's seeds, rows and classes say, or refused in one line."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.core.arrays import write_arrays
from pipeline.core.errors import InputError
from pipeline.data.sources import Mixture
from pipeline.data.splits import SPLITS
from pipeline.stages.stored_members import decode_members

FILE = Path("members/task/none/none.safetensors")
SIZES = {"features": 2, "classes": 2, "train": 10, "validation": 9, "test": 8}
LOGITS = {f"logits/{split}": np.zeros((2, SIZES[split], 2), np.float32) for split in SPLITS}
SEEDS = {"seeds": [0, 1]}


@pytest.mark.parametrize(
    ("arrays", "about"),
    [
        (LOGITS, {}),
        (LOGITS, []),
        (LOGITS, {"seeds": [0, 2]}),
        (LOGITS, {"seeds": [0, True]}),
        (LOGITS, {"seeds": 2}),
        ({**LOGITS, "logits/test": LOGITS["logits/train"]}, SEEDS),
        ({"logits/train": LOGITS["logits/train"]}, SEEDS),
    ],
)
def test_members_of_another_kind(tmp_path, monkeypatch, arrays, about):
    monkeypatch.chdir(tmp_path)
    pooled = Mixture(kind="mixture", components=1, separation=2.0, label_noise=0.0, **SIZES).load("task", seeds=2)
    write_arrays(FILE, LOGITS, SEEDS)
    assert decode_members(FILE.read_bytes(), FILE, pooled)[1] == SEEDS
    write_arrays(FILE, arrays, about)
    with pytest.raises(
        InputError, match=rf"^{FILE}: (seeds|logits/\w+) must be of .*, got .*; delete it and run `dvc repro`$"
    ):
        decode_members(FILE.read_bytes(), FILE, pooled)
