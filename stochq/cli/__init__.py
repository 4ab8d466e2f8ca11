"""The command line: `stochq run`, `plot`, `reproduce`, `exclude`, `devices`. Typer, pydantic: only here."""

import sys


def main() -> None:
    """Entry point of the console script."""
    from stochq.cli.app import app

    sys.exit(app())
