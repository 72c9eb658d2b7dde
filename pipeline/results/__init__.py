"""Finished tables of a study."""
