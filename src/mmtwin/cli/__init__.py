"""Floor 8: the commands. ``mmtwin COMMAND``; ``python -m mmtwin`` is the same."""

from mmtwin.cli.app import main

__all__ = ["main"]
