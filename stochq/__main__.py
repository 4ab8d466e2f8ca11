"""`python -m stochq`, which is the command line."""

from stochq_command import main

main()
