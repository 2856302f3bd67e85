"""Floor 0: the flat simulated memory, its journal, layouts and views, allocators, sanitizer."""
