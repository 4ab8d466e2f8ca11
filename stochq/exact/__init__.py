
from stochq.exact.evolve import evolve as evolve
from stochq.exact.result import ExactResult as ExactResult
from stochq.exact.steady import steady_state as steady_state
