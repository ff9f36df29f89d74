"""Training: the loop, its step, what it writes down, and how it survives."""
