"""The command line: `stochq run`, `plot`, `reproduce`, `exclude`, `devices`, `doctor`. Typer, pydantic: only here."""

import sys


def main() -> None:
    """Entry point of the console script."""
    from stochq.cli.app import app
    from stochq.cli.cache import keep_compiled_programs

    keep_compiled_programs()
    sys.exit(app())
