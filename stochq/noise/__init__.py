"""Counter-based random numbers: a draw depends on (seed, trajectory, step, slot) and on nothing else."""

from stochq.noise.counter import Budget as Budget
from stochq.noise.counter import StepNoise as StepNoise
from stochq.noise.counter import StepPairNoise as StepPairNoise
from stochq.noise.counter import draw_step_pair as draw_step_pair
from stochq.noise.counter import seed_words as seed_words
from stochq.noise.normals import normal_pair as normal_pair
from stochq.noise.threefry import threefry as threefry
