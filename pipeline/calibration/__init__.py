"""What probabilities are worth: scores, calibration errors, temperature scaling; all metrics of a point."""
