"""The stochastic terms of an equation: families of jump operators with their structure."""

from stochq.channels.channel import Basis as Basis
from stochq.channels.channel import Channel as Channel
from stochq.channels.channel import Columns as Columns
from stochq.channels.channel import Energy as Energy
from stochq.channels.channel import Given as Given
from stochq.channels.channel import NoiseLaw as NoiseLaw
from stochq.channels.diagonal import DiagonalCollapse as DiagonalCollapse
from stochq.channels.diagonal import Features as Features
from stochq.channels.diagonal import Kernel as Kernel
from stochq.channels.operators import BandedOperators as BandedOperators
from stochq.channels.operators import DenseOperators as DenseOperators
from stochq.channels.operators import Operators as Operators
from stochq.channels.projectors import Projectors as Projectors
from stochq.channels.reduction import PulledReduction as PulledReduction
from stochq.channels.transitions import RateMatrix as RateMatrix
from stochq.channels.transitions import Separable as Separable
from stochq.channels.transitions import Transitions as Transitions
