"""The hyperparameter search with Optuna."""
