"""Paired comparisons over seeds, their verdicts, and the finished tables of the study."""
