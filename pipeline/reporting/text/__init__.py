"""Finished tables as text for terminal, page and README."""
