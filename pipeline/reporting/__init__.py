"""Finished tables as text, figures, pages and the README."""
