"""Training: the loop, the training step, logs, and recovery from failures."""
