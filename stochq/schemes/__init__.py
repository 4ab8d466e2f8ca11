"""How one step is made."""

from stochq.equation import Equation
from stochq.schemes.euler import EulerMaruyama as EulerMaruyama
from stochq.schemes.extrapolated import Extrapolated as Extrapolated
from stochq.schemes.frame import Frame as Frame
from stochq.schemes.frame import frame_of as frame_of
from stochq.schemes.scheme import Scheme as Scheme
from stochq.schemes.scheme import Stepper as Stepper
from stochq.schemes.strang import Strang as Strang


def shares_draws(scheme: Scheme, frame: Frame) -> bool:
    """Whether neighbouring steps should share their draws, which unrolls two steps in one loop body: worth it where
    draws cost as much as the step itself."""
    return 2 * scheme.budget(frame).shared >= frame.dim


def default_scheme(equation: Equation) -> Scheme:
    """The best scheme that applies: Strang where every channel flows, extrapolated Euler-Maruyama elsewhere."""
    strang = Strang()
    return Extrapolated(EulerMaruyama()) if strang.requires(equation) else strang


def default_differentiable_scheme(equation: Equation) -> Scheme:
    """The best scheme through which gradients pass: as `default_scheme` where that one does, else its nearest kin."""
    candidates = (default_scheme(equation), Strang(diffusive=True))
    smooth = (scheme for scheme in candidates if scheme.differentiable(equation))
    return next(smooth, Extrapolated(EulerMaruyama()))
