"""Data sets: tables, synthetic tasks, splits, standardization, storage."""
