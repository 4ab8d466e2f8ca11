"""Models whose states stay Gaussian."""

from stochq.gaussian.models.chain import Chain as Chain
from stochq.gaussian.models.chain import chain as chain
from stochq.gaussian.models.network import Network as Network
from stochq.gaussian.models.network import network as network
