"""Regularization Lab: which regularization helps on this data, how much, and are the probabilities to be trusted."""
