"""How much a cut-off in the noise's spectrum takes from the heating of a particle at rest (eq. 13)."""

from collections.abc import Callable

import numpy as np


def gain_ratio(spectrum: Callable[[float], float], frequency: float, dimensions: int) -> float:
    r"""The heating power of a particle at rest relative to white noise (`fermi-heating` eq. 13 with k = 0).

    $$\frac{P}{P_0} = \frac{\int_0^\infty y^{D+1}e^{-y^2}\,S(\omega_C\,y^2)\,dy}{\int_0^\infty y^{D+1}e^{-y^2}dy},
      \qquad \omega_C = \frac{\hbar}{2mr_C^2}$$

    A kick ħq costs the energy ħω with ω = ħq²/2m and y = q r_C; in D dimensions there are y^{D−1} dy kicks of that
    size. spectrum: S(ω) = γ(ω)/γ(0); frequency: ω_C; dimensions: D; the paper's integral is D = 3.

    >>> round(gain_ratio(lambda w: 1 / (1 + w**2), 1.0, 3), 6)
    0.253966
    """
    from scipy.integrate import quad
    from scipy.special import gamma

    def integrand(y: float) -> float:
        return y ** (dimensions + 1) * np.exp(-y * y) * float(spectrum(frequency * y * y))

    value = quad(integrand, 0, np.inf, epsabs=0, epsrel=1e-11, limit=400)[0]
    return float(value / (0.5 * gamma(0.5 * dimensions + 1)))
