"""The mean reduced density matrix of a part of a system of spins, with its standard errors."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.ensemble.statistics import Statistic
from stochq.systems.subsystems import Part, Parts, check_size, checked_part, levels_of, reduced

# Elements of reduced density matrices that are made at a time, at each of the times.
_ELEMENTS_AT_ONCE = 2**14


class _Sums(NamedTuple):
    """Number of trajectories, mean, and sums of squared deviations of real and imaginary parts (2, time, d, d)."""

    count: Any
    mean: Any
    squares: Any


@final
class Reduced(Statistic):
    r"""The mean reduced density matrix of some sites of a system of spins 1/2, at every time, with standard errors.

    $$\mathbb E\,\rho_A = \mathbb E\,\mathrm{Tr}_{\bar A}\,|\psi\rangle\langle\psi|$$

    Ask for it as an observable: `observables={"pair": sq.Reduced([0, 1])}`; then `result.statistics["pair"]` is an
    array (2, time, d, d): the mean, and its errors, those of the real part and, as imaginary part, of the imaginary.
    Bit j of an index of the matrix is the site part[j].

    Args:
        part: up to 10 of the sites, in any order, not all; or `joint.part("a")` of a composite system.

    Raises:
        ValueError: no site, one twice or more than 10; in `sq.simulate` all sites or one that is not there.

    >>> import numpy as np, stochq as sq
    >>> equation = sq.models.suv(sq.systems.ising(2, coupling=1.0, transverse=0.9), strength=1.0)
    >>> run = sq.simulate(equation, [0.6, 0, 0, 0.8], [0, 1], observables={"first": sq.Reduced([0])}, trajectories=64,
    ...                   dt=0.1)
    >>> mean, stderr = run.statistics["first"]
    >>> mean[0].real.round(2).tolist(), bool(np.all(stderr[1].real[0, 0] > 0))
    ([[0.36, 0.0], [0.0, 0.64]], True)
    """

    part: Part = eqx.field(static=True)
    shares: tuple[float, ...] = eqx.field(static=True)
    needs: ClassVar[str] = "runs"
    of_trajectories: ClassVar[bool] = False

    def __init__(self, part: Sequence[int] | int | Parts, shares: tuple[float, ...] = (1.0,)) -> None:
        self.part, self.shares = checked_part(part), shares
        check_size(self.part)

    @property
    def large(self) -> bool:
        return levels_of(self.part) > 8

    def combining(self, shares: tuple[float, ...]) -> "Reduced":
        return Reduced(self.part, shares)

    def block(self, data: jax.Array, weights: jax.Array) -> _Sums:
        """Sums over the columns a few at a time: no more memory than the summary, whatever the block's size."""
        columns = weights.shape[0]
        at_once = math.gcd(columns, max(1, _ELEMENTS_AT_ONCE // levels_of(self.part) ** 2))
        # Deviations from the first column's, which may not count: near its matrix no digits are lost.
        origin = self._values(data[..., :1])[..., 0]

        def add(sums: _Sums, start: jax.Array) -> tuple[_Sums, None]:
            some = lax.dynamic_slice_in_dim(data, start, at_once, axis=-1)
            count = lax.dynamic_slice_in_dim(weights, start, at_once)
            off = (self._values(some) - origin[..., None]) * jnp.expand_dims(count, range(4))
            return _Sums(sums.count + jnp.sum(count), sums.mean + off.sum(-1), sums.squares + (off * off).sum(-1)), None

        nothing = _Sums(jnp.zeros((), weights.dtype), jnp.zeros_like(origin), jnp.zeros_like(origin))
        total, _ = lax.scan(add, nothing, jnp.arange(0, columns, at_once))
        shift = total.mean / jnp.maximum(total.count, 1)
        return _Sums(total.count, origin + shift, total.squares - total.count * shift * shift)

    def _values(self, data: jax.Array) -> jax.Array:
        """Real and imaginary parts of the combined runs' matrices, (2, time, d, d, columns)."""

        def combined(runs: jax.Array) -> jax.Array:
            parts = [share * reduced(runs[run], self.part) for run, share in enumerate(self.shares)]
            return sum(parts[1:], parts[0])

        rho = jax.vmap(jax.vmap(combined), in_axes=-1, out_axes=-1)(data)
        return jnp.stack([rho.real, rho.imag])

    def merge(self, total: _Sums, summary: _Sums) -> _Sums:
        """The pairwise update of Chan, Golub and LeVeque."""
        count = total.count + summary.count
        shift, share = summary.mean - total.mean, summary.count / max(float(count), 1.0)
        squares = total.squares + summary.squares + shift * shift * total.count * share
        return _Sums(count, total.mean + shift * share, squares)

    def finish(self, total: _Sums) -> np.ndarray:
        """Mean and standard errors, (2, time, d, d)."""
        count = float(total.count)
        stderr = np.sqrt(np.maximum(total.squares, 0.0) / max(count * (count - 1.0), 1.0))
        return np.stack([total.mean[0] + 1j * total.mean[1], stderr[0] + 1j * stderr[1]])

    def as_density(self, finished: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
        """The mean, whose parts stand in the order of `part`."""
        mean, part = finished[0], self.part
        if isinstance(part, Parts):
            return mean, tuple(part.dims[axis] for axis in part.axes)
        # Of sites the first changes fastest.
        sites = len(part)
        split = mean.reshape(-1, *(2,) * (2 * sites))
        order = [0, *range(sites, 0, -1), *range(2 * sites, sites, -1)]
        return split.transpose(order).reshape(mean.shape), (2,) * sites
