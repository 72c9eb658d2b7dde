"""The ground: pinned arithmetic, stateless random numbers, where files are and how they are written, errors."""
