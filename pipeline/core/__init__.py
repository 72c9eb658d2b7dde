"""Random streams, determinism, files, paths, errors, progress."""
