"""Optuna tunes under equal budgets: batches of trials as stacks, and what the winners are worth."""
