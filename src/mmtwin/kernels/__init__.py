"""Real kernels, held against the twin."""
