"""Data sets: tables, synthetic tasks, splits, preprocessing, storage."""
