"""Steps over which levels turn by whole periods, which neither they nor their halves tell from standing still."""

import numpy as np

from stochq.equation import Equation
from stochq.systems.banded import Banded
from stochq.systems.driven import Driven
from stochq.systems.grid import Particle


def fastest_turn(equation: Equation) -> float:
    """An upper bound on the angular frequencies of the levels, 1/time; infinite where a drive may be faster."""
    hamiltonian = equation.hamiltonian
    if isinstance(hamiltonian, Driven):
        return np.inf
    if isinstance(hamiltonian, Particle):
        spread = np.ptp(np.asarray(hamiltonian.kinetic)) + np.ptp(np.asarray(hamiltonian.potential))
    elif isinstance(hamiltonian, Banded) and hamiltonian.dense is None:
        bands = np.asarray(hamiltonian.bands)
        main = [offset == 0 for offset in hamiltonian.offsets]
        others = np.abs(bands[~np.array(main)]).sum(axis=0)
        diagonal = bands[main].real.sum(axis=0)
        spread = np.max(diagonal + others) - np.min(diagonal - others)
    else:
        spread = np.ptp(np.asarray(hamiltonian.energies))
    return float(spread) / float(equation.hbar)


def is_hidden(turn: float, h: float) -> bool:
    """Whether some level may make a whole period within h/2, so that h and h/2 agree without being right."""
    return 0.5 * turn * h >= 2 * np.pi
