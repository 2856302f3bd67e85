"""Floor 8: what a person sees."""
