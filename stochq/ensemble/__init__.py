"""How many trajectories, and what is kept of them."""

from stochq.ensemble.differentiable import expectations as expectations
from stochq.ensemble.events import FirstPassage as FirstPassage
from stochq.ensemble.reduced import Reduced as Reduced
from stochq.ensemble.result import EnsembleResult as EnsembleResult
from stochq.ensemble.simulate import simulate as simulate
from stochq.ensemble.statistics import Density as Density
from stochq.ensemble.statistics import Histogram as Histogram
from stochq.ensemble.statistics import Statistic as Statistic
from stochq.systems.states import normalize as normalize
