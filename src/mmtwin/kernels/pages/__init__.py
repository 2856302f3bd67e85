"""A real kernel's page allocator: its state, its events, and how well the twin foretells them."""
