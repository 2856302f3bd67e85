"""Floor 8: the commands. ``mmtwin COMMAND``; ``python -m mmtwin`` is the same."""

import sys

INTERRUPTED = 130
"""The exit code after an interrupt, from the shell's convention (128 + SIGINT)."""


def main() -> None:
    """Run the command line; the process ends with the command's exit code.

    The commands are imported in here, so that an interrupt while they load ends as any other.
    """
    try:
        from mmtwin.cli.app import run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("mmtwin: interrupted\n")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
