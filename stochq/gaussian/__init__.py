"""Phase space: Gaussian states, their linear dynamics, entropy and balance."""

from stochq.gaussian.models import Chain as Chain
from stochq.gaussian.models import Network as Network
from stochq.gaussian.models import chain as chain
from stochq.gaussian.models import network as network
