"""The options that simulations share."""

import argparse
from pathlib import Path


def options(description: str | None) -> argparse.Namespace:
    """How many studies to simulate, by how many workers, and where to write the table."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", type=Path)
    return parser.parse_args()
