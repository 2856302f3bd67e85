"""Floor 1: what the machine is and what its kernel says when it gives up."""
