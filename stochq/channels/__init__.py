"""The stochastic terms of an equation: families of jump operators with their structure."""

from stochq.channels.channel import Channel as Channel
from stochq.channels.families.banded import BandedOperators as BandedOperators
from stochq.channels.families.dense import DenseOperators as DenseOperators
from stochq.channels.families.diagonal import DiagonalCollapse as DiagonalCollapse
from stochq.channels.families.equilibration import Equilibration as Equilibration
from stochq.channels.families.features import Features as Features
from stochq.channels.families.kernel import Kernel as Kernel
from stochq.channels.families.kicks import Kicks as Kicks
from stochq.channels.families.modulated import Modulated as Modulated
from stochq.channels.families.operators import Operators as Operators
from stochq.channels.families.projectors import Projectors as Projectors
from stochq.channels.families.reduction import StratonovichCollapse as StratonovichCollapse
from stochq.channels.families.separable import Separable as Separable
from stochq.channels.families.sites import SiteCollapse as SiteCollapse
from stochq.channels.families.sites import at_site as at_site
from stochq.channels.families.time_dependent import TimeDependentOperator as TimeDependentOperator
from stochq.channels.families.transitions import RateMatrix as RateMatrix
from stochq.channels.families.transitions import Transitions as Transitions
from stochq.channels.flow import Flow as Flow
from stochq.systems.basis import Basis as Basis
from stochq.systems.basis import Columns as Columns
from stochq.systems.basis import Energy as Energy
from stochq.systems.basis import Given as Given
from stochq.systems.basis import ProductBasis as ProductBasis
