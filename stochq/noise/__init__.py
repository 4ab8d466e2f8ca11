"""Counter-based random numbers, which depend on (seed, trajectory, step, slot) alone, and processes made of them."""

from stochq.noise.coloured import Coloured as Coloured
from stochq.noise.coloured import Increments as Increments
from stochq.noise.coloured import OrnsteinUhlenbeck as OrnsteinUhlenbeck
from stochq.noise.coloured import SumOfOrnsteinUhlenbeck as SumOfOrnsteinUhlenbeck
from stochq.noise.colouring import Colouring as Colouring
from stochq.noise.counter import Budget as Budget
from stochq.noise.counter import StepNoise as StepNoise
from stochq.noise.counter import StepPairNoise as StepPairNoise
from stochq.noise.counter import draw_step_pair as draw_step_pair
from stochq.noise.counter import seed_words as seed_words
from stochq.noise.normals import normal_pair as normal_pair
from stochq.noise.spectra import fitted as fitted
from stochq.noise.spherical import SphericalBrownian as SphericalBrownian
from stochq.noise.threefry import threefry as threefry

__all__ = [
    "Budget",
    "Coloured",
    "Colouring",
    "Increments",
    "OrnsteinUhlenbeck",
    "SphericalBrownian",
    "StepNoise",
    "StepPairNoise",
    "SumOfOrnsteinUhlenbeck",
    "draw_step_pair",
    "fitted",
    "normal_pair",
    "seed_words",
    "threefry",
]
