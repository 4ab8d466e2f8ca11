"""Heating by collapse, rigid bodies, radiation, and the excluded region of the CSL parameters. All numbers are SI.

>>> from stochq import bounds
>>> power = bounds.heating_power(1.67e-27, 1e-8, 1e-7)      # of a nucleon: W; .per_mass, .ratio, .error
>>> f"{bounds.rate_from_power(2e-11, 1e-7):.1e}"            # what Neptune radiates per kilogram bounds λ, in 1/s
'6.6e-11'
"""

from stochq.bounds.data import KINDS as KINDS
from stochq.bounds.data import bodies as bodies
from stochq.bounds.data import build as build
from stochq.bounds.data import experiments as experiments
from stochq.bounds.data import omitted as omitted
from stochq.bounds.data import sources as sources
from stochq.bounds.experiment import Experiment as Experiment
from stochq.bounds.gases import FermiGas as FermiGas
from stochq.bounds.gases import MaxwellGas as MaxwellGas
from stochq.bounds.heating import Phonons as Phonons
from stochq.bounds.heating import Power as Power
from stochq.bounds.heating import heating_gradient as heating_gradient
from stochq.bounds.heating import heating_power as heating_power
from stochq.bounds.heating import heating_ratio as heating_ratio
from stochq.bounds.heating import rate_from_power as rate_from_power
from stochq.bounds.localization import VisibleDisk as VisibleDisk
from stochq.bounds.mechanics import AccelerationNoise as AccelerationNoise
from stochq.bounds.mechanics import Expansion as Expansion
from stochq.bounds.mechanics import ForceNoise as ForceNoise
from stochq.bounds.radiation import atomic_charge as atomic_charge
from stochq.bounds.radiation import emission_rate as emission_rate
from stochq.bounds.region import Exclusion as Exclusion
from stochq.bounds.region import default_experiments as default_experiments
from stochq.bounds.region import exclusion as exclusion
from stochq.bounds.rigid import Cuboid as Cuboid
from stochq.bounds.rigid import RigidBody as RigidBody
from stochq.bounds.rigid import Sphere as Sphere
from stochq.bounds.rigid import force_noise as force_noise
from stochq.bounds.rigid import momentum_diffusion as momentum_diffusion
from stochq.bounds.spectra import Exponential as Exponential
from stochq.bounds.spectra import GaussianCutoff as GaussianCutoff
from stochq.bounds.spectra import Lorentzian as Lorentzian
from stochq.bounds.thermal import BulkHeating as BulkHeating
from stochq.bounds.thermal import RadiatingBody as RadiatingBody
from stochq.bounds.thermal import XRays as XRays
