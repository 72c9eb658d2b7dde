"""MLflow as a projection of what DVC has produced."""
