"""An ensemble against the exact solution: whether they agree, and which of the two is cheaper."""

from stochq.compare.comparison import Comparison as Comparison
from stochq.compare.comparison import compare as compare
from stochq.compare.cost import CostHint as CostHint
from stochq.compare.cost import cost_hint as cost_hint
