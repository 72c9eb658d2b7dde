"""The model that is handed over, as an estimator of scikit-learn."""
