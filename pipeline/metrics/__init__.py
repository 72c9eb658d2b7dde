"""Proper scores, calibration errors, selective risk, decompositions."""
