import numpy as np
import pytest

from pipeline.data.row_blocks import by_blocks


@pytest.mark.parametrize("rows", [0, 1, 3, 4, 5, 8, 9])
def test_blocks_are_put_together_in_order(rows):
    numbers, lengths = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2), []

    def encode(block):
        lengths.append(len(block))
        return np.repeat(block.astype(np.float64), 3, axis=1)

    made = by_blocks(encode, numbers, size=4)
    assert made.dtype == np.float64
    np.testing.assert_array_equal(made, np.repeat(numbers, 3, axis=1))
    assert max(lengths) <= 4
    assert sum(lengths) == rows
