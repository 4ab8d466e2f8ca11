"""The stochastic terms of an equation: families of jump operators with their structure."""

from stochq.channels.banded import BandedOperators as BandedOperators
from stochq.channels.channel import Basis as Basis
from stochq.channels.channel import Channel as Channel
from stochq.channels.channel import Columns as Columns
from stochq.channels.channel import Energy as Energy
from stochq.channels.channel import Flow as Flow
from stochq.channels.channel import Given as Given
from stochq.channels.channel import NoiseLaw as NoiseLaw
from stochq.channels.dense import DenseOperators as DenseOperators
from stochq.channels.diagonal import DiagonalCollapse as DiagonalCollapse
from stochq.channels.features import Features as Features
from stochq.channels.kernel import Kernel as Kernel
from stochq.channels.operators import Operators as Operators
from stochq.channels.projectors import Projectors as Projectors
from stochq.channels.reduction import PulledReduction as PulledReduction
from stochq.channels.separable import Separable as Separable
from stochq.channels.transitions import RateMatrix as RateMatrix
from stochq.channels.transitions import Transitions as Transitions
