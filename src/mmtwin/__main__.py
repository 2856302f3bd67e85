"""``python -m mmtwin``."""

from mmtwin.cli import main

main()
