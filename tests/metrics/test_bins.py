import numpy as np

from pipeline.metrics import bins as bin_module
from pipeline.metrics.predictions import Predictions

of = Predictions.from_probabilities


def test_edges_belong_to_the_bin_below():
    confidence = np.array([0.0, 0.2, 0.6, np.nextafter(0.6, 1), 1.0])
    curve_edges = bin_module.bin_edges(confidence, bins=15, binning="width")
    assert np.flatnonzero(np.diff(curve_edges)).tolist() == [0, 2, 8, 9, 14]
    for bins in range(1, 40):
        edges = np.arange(1, bins + 1) / bins
        counts = np.diff(bin_module.bin_edges(edges, bins=bins, binning="width"))
        assert counts.tolist() == [1] * bins
