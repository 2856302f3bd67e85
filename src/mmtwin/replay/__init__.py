"""Floor 5: carry a trace out in a twin and compare every answer with the record."""
