"""Floor 2: physical pages and what is carved from them."""
