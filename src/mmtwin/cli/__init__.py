"""Floor 8: the commands. ``mmtwin COMMAND``; ``python -m mmtwin`` is the same."""

import signal
import sys

INTERRUPTED = 130
"""The exit code after an interrupt, from the shell's convention (128 + SIGINT)."""


def main() -> None:
    """Run the command line; the process ends with the command's exit code.

    The commands are imported in here, so that an interrupt while they load ends as any other. A
    request to end is taken as one, so that what the command has started ends with it.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from mmtwin.cli.app import run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("mmtwin: interrupted\n")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
