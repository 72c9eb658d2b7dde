"""The ledger: exact checks on the real code, effects of experiments, verdicts on sentences."""
