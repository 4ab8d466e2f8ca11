"""Parameters of an equation fitted to data, with their uncertainties."""

from stochq.inference.fit import fit as fit
from stochq.inference.result import Fit as Fit
from stochq.inference.result import History as History
