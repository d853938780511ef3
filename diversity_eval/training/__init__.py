"""Training checkpoints with the losses under comparison, so that they can be evaluated like any other."""
