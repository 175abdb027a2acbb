"""A training run and its callbacks."""
