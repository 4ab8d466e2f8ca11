"""`python -m stochq`, which is the command line."""

from stochq.cli import main

main()
