"""Intervals, paired comparisons, rows that seeds share."""
