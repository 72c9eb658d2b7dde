"""Training stacks: regularizers, losses, optimizers, early stopping."""
