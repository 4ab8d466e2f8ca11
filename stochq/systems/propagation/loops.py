"""What loops whose length is not known before a run cannot do: derivatives in reverse mode."""

from stochq.arrays import Number, is_concrete
from stochq.compiling import forward_only
from stochq.systems.hamiltonian import Planes

_FORWARD_ONLY = (
    "equation: expected forward mode, jax.jvp or jax.jacfwd, through a Hamiltonian that is never a matrix; got reverse "
    "mode, as of jax.grad and jax.vjp, which its loops of no fixed length do not have. Up to 12 sites sq.systems.ising "
    "and xxz are matrices, which have both."
)


def behind_loop(length: Number, planes: Planes) -> Planes:
    """States behind a loop of a length that may be traced: ValueError where it is, in reverse mode."""
    real, imag = planes
    return planes if is_concrete(length) else (forward_only(real, _FORWARD_ONLY), forward_only(imag, _FORWARD_ONLY))
