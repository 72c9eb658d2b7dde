"""Slow, obvious versions of the metrics, one member, one row, one bin at a time; and rows to try them on."""

import math
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from pipeline.metrics.probabilities import log_softmax


def top(probs):
    """Confidence and predicted class of each row, ties to the lowest index."""
    best = [max(range(len(row)), key=lambda k: (row[k], -k)) for row in probs]
    return [float(row[k]) for row, k in zip(probs, best, strict=True)], best


def ranked(probs, labels):
    confidence, predicted = top(probs)
    pairs = sorted(zip(confidence, [float(p == y) for p, y in zip(predicted, labels, strict=True)], strict=True))
    return [c for c, _ in pairs], [a for _, a in pairs]


def width_bins(confidence, bins):
    """Row indices of each bin (a, b]; 0 belongs to the first."""
    members = [[] for _ in range(bins)]
    for i, c in enumerate(confidence):
        members[next(b for b in range(bins) if c <= (b + 1) / bins)].append(i)
    return members


def mass_bins(confidence, bins):
    """Row indices of each bin of sorted confidences; a cut inside a tie moves up."""
    n, cuts = len(confidence), [0]
    for b in range(1, bins):
        cut = max(b * n // bins, 1)
        while cut < n and confidence[cut] == confidence[cut - 1]:
            cut += 1
        cuts.append(cut)
    return [list(range(a, b)) for a, b in zip(cuts, [*cuts[1:], n], strict=True)]


def binned_error(confidence, correct, *, bins, binning, norm):
    members = (width_bins if binning == "width" else mass_bins)(confidence, bins)
    members = [m for m in members if m]
    gaps = [abs(sum(confidence[i] - correct[i] for i in m)) / len(m) for m in members]
    shares = [len(m) / len(confidence) for m in members]
    if norm == "max":
        return max(gaps)
    if norm == "l1":
        return sum(s * g for s, g in zip(shares, gaps, strict=True))
    return math.sqrt(sum(s * g * g for s, g in zip(shares, gaps, strict=True)))


def debiased_error(confidence, correct, *, bins):
    n = len(confidence)
    merged, waiting = [], []
    for m in mass_bins(confidence, bins):
        waiting = waiting + m
        left = n - (waiting[-1] + 1 if waiting else 0)
        if len(waiting) > 1 and left != 1:
            merged.append(waiting)
            waiting = []
    if waiting:
        merged.append(waiting)
    total = 0.0
    for m in merged:
        rate = sum(correct[i] for i in m) / len(m)
        gap = sum(confidence[i] for i in m) / len(m) - rate
        total += len(m) / n * (gap * gap - rate * (1 - rate) / (len(m) - 1))
    return total


def noise_floor(confidence, *, bins):
    floors = (
        math.sqrt(2 / math.pi * sum(confidence[i] * (1 - confidence[i]) for i in m))
        for m in width_bins(confidence, bins)
    )
    return sum(floors) / len(confidence)


def p_value(confidence, correct, *, uniforms, bins):
    """Redraw from sorted confidences, one resample at a time."""
    observed = binned_error(confidence, correct, bins=bins, binning="width", norm="l1")
    reached = 0
    for row in uniforms:
        redrawn = [float(u < round(c * 65536)) for u, c in zip(row.tolist(), confidence, strict=True)]
        error = binned_error(confidence, redrawn, bins=bins, binning="width", norm="l1")
        reached += error >= observed - 1e-12
    return (1 + reached) / (1 + len(uniforms))


def ks_error(confidence, correct):
    """For each distinct confidence, what the rows up to it sum to."""
    sums = [sum(d - a for d, a in zip(confidence, correct, strict=True) if d <= c) for c in confidence]
    return max(abs(total) for total in sums) / len(confidence)


def smooth_error(confidence, correct, *, images=3, points=4000):
    """SmECE by direct integration of Gaussians and their mirror images at 0 and 1."""
    c, a = np.asarray(confidence), np.asarray(correct)
    t = (np.arange(points) + 0.5) / points

    def error(sigma):
        density = np.zeros(points)
        for ci, residual in zip(c, c - a, strict=True):
            for shift in range(-images, images + 1):
                for centre in (ci + 2 * shift, -ci + 2 * shift):
                    density += residual * np.exp(-0.5 * ((t - centre) / sigma) ** 2)
        return np.abs(density).mean() / (sigma * math.sqrt(2 * math.pi) * len(c))

    low, high = 1e-9, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if error(middle) > middle else (low, middle)
    return low


def each_class(probs, labels):
    """Of each class, its sorted probabilities and whether rows have it."""
    for k in range(len(probs[0])):
        pairs = [(float(row[k]), float(y == k)) for row, y in zip(probs, labels, strict=True)]
        yield zip(*sorted(pairs), strict=True)


def classwise(probs, labels, *, bins):
    errors = [binned_error(*event, bins=bins, binning="width", norm="l1") for event in each_class(probs, labels)]
    return sum(errors) / len(errors)


def debiased_classwise(probs, labels, *, bins):
    errors = [debiased_error(*event, bins=bins) for event in each_class(probs, labels)]
    return sum(errors) / len(errors)


def exact_error(probs, posterior, *, bins):
    confidence, predicted = top(probs)
    rows = sorted((c, float(posterior[i][k])) for i, (c, k) in enumerate(zip(confidence, predicted, strict=True)))
    members = mass_bins([c for c, _ in rows], bins)
    return sum(abs(sum(rows[i][0] - rows[i][1] for i in m)) for m in members) / len(rows)


def areas(confidence, correct):
    """AURC and AUGRC; rows of equal confidence share their errors evenly."""
    n = len(confidence)
    groups = {c: [a for d, a in zip(confidence, correct, strict=True) if d == c] for c in confidence}
    errors = [1 - sum(groups[c]) / len(groups[c]) for c in sorted(confidence, reverse=True)]
    aurc = sum(sum(errors[:k]) / k for k in range(1, n + 1)) / n
    generalized = [sum(errors[:k]) / n for k in range(n + 1)]
    return aurc, sum((x + y) / 2 for x, y in pairwise(generalized)) / n


def auroc(confidence, correct):
    """Chance that a correct row is more confident than a wrong one, ties half."""
    right = [c for c, a in zip(confidence, correct, strict=True) if a]
    wrong = [c for c, a in zip(confidence, correct, strict=True) if not a]
    wins = [(r > w) + 0.5 * (r == w) for r in right for w in wrong]
    return sum(wins) / len(wins)


def log_loss(logits, labels, beta=1.0):
    total = 0.0
    for row, y in zip(np.asarray(logits, dtype=np.float64) * beta, labels, strict=True):
        total += row.max() + math.log(np.exp(row - row.max()).sum()) - row[y]
    return total / len(labels)


def squared_group_means(probs, posterior, *, bins):
    """Calibration part of the excess Brier score: groups of predicted class and equal-mass confidence bin."""
    confidence, predicted = top(probs)
    order = sorted(range(len(confidence)), key=lambda i: confidence[i])
    total = 0.0
    for m in mass_bins([confidence[i] for i in order], bins):
        for k in range(len(probs[0])):
            rows = [order[i] for i in m if predicted[order[i]] == k]
            if rows:
                gap = np.mean([np.asarray(probs[i]) - np.asarray(posterior[i]) for i in rows], axis=0)
                total += len(rows) * float(np.sum(gap**2))
    return total / len(confidence)


def sample(rng, shape, classes, sharpness=1.0):
    """Posteriors, predictions that are sharpened posteriors, labels drawn from the posteriors."""
    logits = rng.normal(size=(*shape, classes)) * 1.5
    q = np.exp(log_softmax(logits))
    y = np.minimum((rng.random((*shape, 1)) > np.cumsum(q, axis=-1)).sum(axis=-1), classes - 1)
    return q, np.minimum(np.exp(log_softmax(sharpness * logits)), 1.0), y


@st.composite
def predictions(draw, max_rows=30):
    """Rows of probabilities on a coarse grid, so that ties and 0 and 1 are common."""
    n, k = draw(st.integers(1, max_rows)), draw(st.integers(2, 4))
    counts = draw(st.lists(st.lists(st.integers(0, 5), min_size=k, max_size=k), min_size=n, max_size=n))
    weights = np.array([[max(row[0], sum(row) == 0), *row[1:]] for row in counts], dtype=np.float64)
    labels = draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))
    return weights / weights.sum(axis=-1, keepdims=True), np.array(labels)
