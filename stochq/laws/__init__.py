"""How a noise enters: the laws of the Wiener processes that multiply jump operators, and of their clicks."""

from stochq.laws.law import ANY as ANY
from stochq.laws.law import COMPLEX as COMPLEX
from stochq.laws.law import JUMP as JUMP
from stochq.laws.law import LEFT_OPEN as LEFT_OPEN
from stochq.laws.law import REAL as REAL
from stochq.laws.law import UNITARY as UNITARY
from stochq.laws.law import AnyLaw as AnyLaw
from stochq.laws.law import Complex as Complex
from stochq.laws.law import Jump as Jump
from stochq.laws.law import Law as Law
from stochq.laws.law import NoiseLaw as NoiseLaw
from stochq.laws.law import Real as Real
from stochq.laws.law import Unitary as Unitary
from stochq.laws.law import law_of as law_of
