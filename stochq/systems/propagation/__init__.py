"""Propagators exp(-iHdt) of Hamiltonians of many spins that are never matrices."""

from stochq.systems.propagation.choice import plan_of as plan_of
from stochq.systems.propagation.choice import propagator_of as propagator_of
from stochq.systems.propagation.choice import with_chosen_way as with_chosen_way
from stochq.systems.propagation.choice import with_measured_errors as with_measured_errors
from stochq.systems.propagation.splitting import Splitting as Splitting
from stochq.systems.propagation.splitting import splitting_of as splitting_of

__all__ = ["Splitting", "plan_of", "propagator_of", "splitting_of", "with_chosen_way", "with_measured_errors"]
