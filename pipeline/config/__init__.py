"""params.yaml and the textbook's files as typed, strict models."""
