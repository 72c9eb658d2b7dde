"""Data sets in memory: pools of rows, splits, standardization, tasks whose posterior is known."""
