"""How one step is made."""

from stochq.channels import DiagonalCollapse
from stochq.equation import Equation
from stochq.schemes.euler import EulerMaruyama as EulerMaruyama
from stochq.schemes.extrapolated import Extrapolated as Extrapolated
from stochq.schemes.frame import Frame as Frame
from stochq.schemes.frame import frame_of as frame_of
from stochq.schemes.scheme import Scheme as Scheme
from stochq.schemes.scheme import Stepper as Stepper
from stochq.schemes.strang import Strang as Strang
from stochq.systems.hamiltonian import DiagonalHamiltonian


def shares_draws(scheme: Scheme, frame: Frame) -> bool:
    """Whether neighbouring steps should share their draws, which unrolls two steps in one loop body: worth it where
    draws cost as much as the step itself."""
    return 2 * scheme.budget(frame).shared >= frame.dim


def default_scheme(equation: Equation, averages: bool = False, linear: bool = True) -> Scheme:
    """The best scheme that applies: Strang where every channel flows, extrapolated Euler-Maruyama elsewhere.

    averages: whether averages are all that is asked for, so that discrete increments may serve where they are sooner;
    linear: whether all of them are linear in the density matrix. Where they are not, pilot runs choose the step, and
    discrete increments serve where these see the whole of their error.
    """
    discrete = Strang(increments="discrete")
    if discrete.requires(equation):
        strang = Strang()
        return Extrapolated(EulerMaruyama()) if strang.requires(equation) else strang
    return discrete if averages and _discrete_is_sooner(equation, linear) else Strang()


def _discrete_is_sooner(equation: Equation, linear: bool) -> bool:
    """Where all that change by it gain, and the noise is not all there is: collapse alone has no error in dt."""
    frame = frame_of(equation)
    alone = isinstance(frame.hamiltonian, DiagonalHamiltonian) and len(frame.channels) == 1 and frame.changes[0] is None
    if alone and isinstance(frame.channels[0], DiagonalCollapse):
        return False
    flows = [(channel.flow(frame.noise), channel.discrete_flow(frame.noise)) for channel in frame.channels]
    changed = [discrete for gaussian, discrete in flows if type(discrete) is not type(gaussian)]
    return bool(changed) and all(flow.is_sooner and (linear or not flow.hides_bias) for flow in changed)


def default_differentiable_scheme(equation: Equation) -> Scheme:
    """The best scheme through which gradients pass: as `default_scheme` where that one does, else its nearest kin."""
    candidates = (default_scheme(equation), Strang(diffusive=True))
    smooth = (scheme for scheme in candidates if scheme.differentiable(equation))
    return next(smooth, Extrapolated(EulerMaruyama()))
