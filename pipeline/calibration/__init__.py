"""Calibrators, reliability curves and what label smoothing does to calibration."""
