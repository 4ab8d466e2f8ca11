"""SI values and the collapse parameters that have been proposed, each with its source.

Values without another source are CODATA 2022 (Mohr, Newell, Taylor and Tiesinga, Rev. Mod. Phys. 97, 025002 (2025));
those of the speed of light, h, e and k_B are exact by the definition of the SI.

>>> from stochq import constants
>>> round(constants.STEFAN_BOLTZMANN * 1e8, 6)
5.670374
"""

import math
from dataclasses import dataclass

LIGHT_SPEED = 299_792_458.0  # m/s, exact
PLANCK = 6.626_070_15e-34  # J s, exact
HBAR = PLANCK / (2 * math.pi)  # J s
ELEMENTARY_CHARGE = 1.602_176_634e-19  # C, exact; also one electronvolt in joules
BOLTZMANN = 1.380_649e-23  # J/K, exact
VACUUM_PERMITTIVITY = 8.854_187_8188e-12  # F/m
GRAVITATION = 6.674_30e-11  # m³ kg⁻¹ s⁻²
ATOMIC_MASS = 1.660_539_068_92e-27  # kg, one twelfth of a carbon-12 atom
NEUTRON_MASS = 1.674_927_500_56e-27  # kg
BOHR_RADIUS = 5.291_772_105_44e-11  # m
STEFAN_BOLTZMANN = 2 * math.pi**5 * BOLTZMANN**4 / (15 * PLANCK**3 * LIGHT_SPEED**2)  # W m⁻² K⁻⁴

# The mass m0 against which collapse models count masses. The papers say "nucleon mass"; one atomic mass unit is the
# value with which the table of Adler, Bassi, Carlesso and Vinante (2019) comes out.
REFERENCE_MASS = ATOMIC_MASS


@dataclass(frozen=True)
class Proposal:
    """Collapse parameters that somebody proposed: rate λ in 1/s, length r_C in m, ± decades of the rate."""

    name: str
    rate: float
    length: float
    decades: float
    source: str


GRW = Proposal(
    "GRW",
    1e-16,
    1e-7,
    0.0,
    "G. C. Ghirardi, A. Rimini and T. Weber, Phys. Rev. D 34, 470 (1986), doi:10.1103/PhysRevD.34.470",
)
ADLER_SHORT = Proposal(
    "Adler, 100 nm", 1e-8, 1e-7, 2.0, "S. L. Adler, J. Phys. A 40, 2935 (2007), doi:10.1088/1751-8113/40/12/S03"
)
ADLER_LONG = Proposal(
    "Adler, 1 μm", 1e-6, 1e-6, 2.0, "S. L. Adler, J. Phys. A 40, 2935 (2007), doi:10.1088/1751-8113/40/12/S03"
)
PROPOSALS = (GRW, ADLER_SHORT, ADLER_LONG)
