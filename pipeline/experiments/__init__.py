"""What `claims.yaml` declares, and the experiments that measure it."""
