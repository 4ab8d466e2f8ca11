"""The papers' Gaussian dynamics as small constructors."""

from stochq.gaussian.models.brownian_motion import balancing_position_friction as balancing_position_friction
from stochq.gaussian.models.brownian_motion import balancing_squeezing as balancing_squeezing
from stochq.gaussian.models.brownian_motion import brownian as brownian
from stochq.gaussian.models.csl import csl_covariance as csl_covariance
from stochq.gaussian.models.csl import csl_oscillator as csl_oscillator
from stochq.gaussian.models.csl import precision_parameters as precision_parameters
from stochq.gaussian.models.hopping import Network as Network
from stochq.gaussian.models.hopping import network as network
from stochq.gaussian.models.uniform_chain import Chain as Chain
from stochq.gaussian.models.uniform_chain import chain as chain
