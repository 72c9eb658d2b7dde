"""MLflow as a projection of the finished tables."""
