"""What the console script runs: outside the package, whose import takes a second in which Ctrl-C is pressed as well."""

import os
import signal


def leave(number: int, frame: object) -> None:
    """End at once: nothing has been begun."""
    os.write(2, b"stochq: interrupted\n")
    os._exit(130)


def main() -> None:
    """The command line of stochq; until a command begins its work, Ctrl-C leaves."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)
    from stochq.cli import main as run

    run()


if __name__ == "__main__":
    main()
