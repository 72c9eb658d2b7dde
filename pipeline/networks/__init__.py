"""Stacks of networks in training: every regularizer a strength of each member's own."""
