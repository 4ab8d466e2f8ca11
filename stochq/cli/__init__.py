"""The command line: `stochq run`, `plot`, `reproduce`, `exclude`, `devices`, `doctor`. Typer, pydantic: only here."""

import os
import sys

# The exit code of a command that SIGINT ended, as shells tell it.
INTERRUPTED = 130


def main() -> None:
    """Run a command, and leave with its code; `stochq_command.main` hears Ctrl-C while this is imported."""
    from stochq.cli.app import app
    from stochq.cli.cache import keep_compiled_programs
    from stochq.cli.streams import print_anywhere

    print_anywhere()
    keep_compiled_programs()
    try:
        code = app() or 0
    except SystemExit as ending:
        code = ending.code
    if code == INTERRUPTED:
        # What other threads compute cannot be stopped, and is not waited for.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)
    sys.exit(code)
