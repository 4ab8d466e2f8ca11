"""An oscillator under CSL in the limit of small displacements, and its dissipative form."""

import numpy as np
from jaxtyping import Float

from stochq.arrays import Times
from stochq.gaussian.checks import check_one_number
from stochq.gaussian.dynamics import Dynamics
from stochq.gaussian.phase_space import Array, Real, array_namespace, built
from stochq.gaussian.state import State


def csl_oscillator(
    diffusion: Real, friction: Real = 0.0, *, mass: Real = 1.0, frequency: Real = 1.0, hbar: Real = 1.0
) -> Dynamics:
    r"""CSL (friction 0) and dissipative CSL of an oscillator (`collapse-entropy` eqs. 4 and 7).

    $$\partial_tW=\{H,W\}+D\,\partial_p^2W+f\,\partial_p(pW):\qquad
      A=\begin{pmatrix}0&1/m\\-m\omega^2&-f\end{pmatrix},\quad B=\begin{pmatrix}0&0\\0&2D\end{pmatrix}$$

    With f > 0 this is not completely positive, and its steady state obeys the uncertainty principle if f ≤ 2δ.

    Args:
        diffusion: D, momentum² per time; δ = D/mω in the units ω = m = ħ = 1 of the defaults.
        friction: f, a rate.
        mass: m.
        frequency: ω in radians per time.
        hbar: ħ, in the units of all others.

    Raises:
        ValueError: for a diffusion or friction below 0, or a mass that is not positive.

    >>> csl_oscillator(0.5, 0.4).steady_state().covariance.diagonal().round(12).tolist()
    [1.25, 1.25]
    """
    check_one_number("diffusion", diffusion, least=0.0)
    check_one_number("friction", friction, least=0.0)
    check_one_number("mass", mass, least=0.0, open_end=True)
    check_one_number("frequency", frequency, least=0.0)
    drift = built([[0.0, 1 / mass], [-mass * frequency**2, -friction]])
    return Dynamics(drift, built([[0.0, 0.0], [0.0, 2 * diffusion]]), hbar)


def csl_covariance(diffusion: Real, variance: Real, times: Times) -> Float[Array, "time 2 2"]:
    r"""CSL from an isotropic state in closed form, ω = m = ħ = 1 (`collapse-entropy` eq. 10, solved).

    $$\sigma_{qq,pp}=\sigma_0+\delta\,(\tau\mp\tfrac12\sin2\tau),\qquad\sigma_{qp}=\delta\sin^2\tau$$

    Args:
        diffusion: δ.
        variance: σ_0 of q and of p, ½ in the vacuum.
        times: τ (T,).

    Returns:
        covariances (T, 2, 2).

    >>> csl_covariance(0.1, 0.505, [np.pi])[0].diagonal().round(6).tolist()
    [0.819159, 0.819159]
    """
    times = np.asarray(times, dtype=np.float64)
    swing = 0.5 * np.sin(2 * times)
    across = diffusion * np.sin(times) ** 2
    position, momentum = variance + diffusion * (times - swing), variance + diffusion * (times + swing)
    return np.stack([np.stack([position, across], -1), np.stack([across, momentum], -1)], -2)


def precision_parameters(state: State) -> tuple[Array, Array, Array]:
    r"""a, b, c of $W\propto e^{-(aq^2+bp^2+2cqp)}$ (`collapse-entropy` eq. 9), each (...).

    >>> from stochq.gaussian import vacuum
    >>> [float(x) for x in precision_parameters(vacuum())]
    [1.0, 1.0, 0.0]
    """
    half = 0.5 * array_namespace(state).linalg.inv(state.covariance)
    return half[..., 0, 0], half[..., 1, 1], half[..., 0, 1]
