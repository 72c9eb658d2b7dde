"""Data sets in memory: a pool of rows, the splits of each seed, standardization."""
