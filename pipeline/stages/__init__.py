"""One function a stage: where files meet mathematics, or results meet people."""
