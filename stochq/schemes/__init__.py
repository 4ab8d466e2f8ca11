"""How one step is made."""

from stochq.equation import Equation
from stochq.schemes.euler import EulerMaruyama as EulerMaruyama
from stochq.schemes.extrapolated import Extrapolated as Extrapolated
from stochq.schemes.frame import Frame as Frame
from stochq.schemes.frame import frame_of as frame_of
from stochq.schemes.measured import faster_for_averages as faster_for_averages
from stochq.schemes.scheme import Scheme as Scheme
from stochq.schemes.scheme import Stepper as Stepper
from stochq.schemes.scheme import check_scheme as check_scheme
from stochq.schemes.strang import Strang as Strang


def shares_draws(scheme: Scheme, frame: Frame) -> bool:
    """Whether neighbouring steps should share their draws, which unrolls two steps in one loop body: worth it where
    draws cost as much as the step itself."""
    return 2 * scheme.budget(frame).shared >= frame.dim


def default_scheme(equation: Equation, averages: bool = False) -> Scheme:
    """The best scheme that applies: Strang where every channel flows, extrapolated Euler-Maruyama elsewhere.

    averages: whether averages are all that is asked for, so that outcomes of few values may serve.
    """
    if Strang().requires(equation):
        return Extrapolated(EulerMaruyama())
    discrete = Strang(increments="discrete")
    if averages and not discrete.requires(equation) and faster_for_averages(equation):
        return discrete
    return Strang()


def default_differentiable_scheme(equation: Equation) -> Scheme:
    """The best scheme through which gradients pass: as `default_scheme` where that one does, else its nearest kin."""
    candidates = (default_scheme(equation), Strang(diffusive=True))
    smooth = (scheme for scheme in candidates if scheme.differentiable(equation))
    return next(smooth, Extrapolated(EulerMaruyama()))


__all__ = [
    "EulerMaruyama",
    "Extrapolated",
    "Frame",
    "Scheme",
    "Stepper",
    "Strang",
    "check_scheme",
    "faster_for_averages",
    "frame_of",
]
