"""A traced function of small arrays, rewritten as arithmetic on single numbers: what a GPU thread does in registers."""

from stochq.ensemble.registers.entries import Unsupported as Unsupported
from stochq.ensemble.registers.entries import at_most as at_most
from stochq.ensemble.registers.iteration import Interval as Interval
from stochq.ensemble.registers.iteration import Iteration as Iteration
from stochq.ensemble.registers.iteration import as_rows as as_rows

__all__ = ["Interval", "Iteration", "Unsupported", "as_rows", "at_most"]
