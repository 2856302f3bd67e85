"""This machine's own kernel: memory calls carried out by a forked child, answers read back."""
