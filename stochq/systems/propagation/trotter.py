"""Suzuki and Trotter's product formulas of order 2 and 4 (M. Suzuki, Phys. Lett. A 146, 319 (1990))."""

from collections.abc import Callable
from functools import partial
from typing import final

import jax
import jax.numpy as jnp
from jax import lax

from stochq.arrays import Number
from stochq.systems.hamiltonian import Propagator, State
from stochq.systems.linear import column, phases
from stochq.systems.propagation.loops import behind_loop
from stochq.systems.propagation.splitting import Splitting, Window, quarter_turns
from stochq.systems.propagation.windows import Planes, apply_window, planes_of

# Suzuki's five symmetric steps of order 2, the middle one backwards, are one of order 4.
OUTER = 1 / (4 - 4 ** (1 / 3))
MIDDLE = 1 - 4 * OUTER
STAGES, _BACKWARDS = 5, 2

Group = Callable[[jax.Array, Planes], Planes]


@final
class Trotter(Propagator):
    r"""A number of equal steps of a product formula.

    $$S_2(\tau) = e^{-iA_1\tau/2}\cdots e^{-iA_n\tau}\cdots e^{-iA_1\tau/2}, \qquad
      S_4(\tau) = S_2(p\tau)^2\,S_2((1-4p)\tau)\,S_2(p\tau)^2, \quad p = (4-4^{1/3})^{-1}$$

    lengths: (L,) of the symmetric steps S_2, the second that of the middle one where the order is 4. cosines and
    sines: (L, dim) of the diagonal's half steps, None where there is none. windows: of every layer, matrices
    (L, 2^k, 2^k) over half a step, of the last over a whole one. steps: the number of S_2. Steps and order may be
    traced, so that nothing is compiled anew where they change.
    """

    splitting: Splitting
    lengths: jax.Array
    cosines: jax.Array | None
    sines: jax.Array | None
    windows: tuple[tuple[jax.Array, ...], ...]
    steps: jax.Array
    is_fourth: jax.Array

    def __call__(self, t: Number, psi: State) -> State:
        planes = planes_of(psi)
        if self.cosines is not None:
            planes = self._turn(self._half_turns(0, planes), planes)
        # One loop for both orders, and for any number of steps.
        real, imag = lax.fori_loop(0, self.steps, self._step, planes)
        return behind_loop(self.steps, lax.complex(real, imag))

    def _which(self, index: Number) -> jax.Array:
        """The length of a step, by its number."""
        return jnp.where(self.is_fourth & (index % STAGES == _BACKWARDS), len(self.lengths) - 1, 0)

    def _step(self, index: jax.Array, planes: Planes) -> Planes:
        which = self._which(index)
        planes = self._inside(which, planes)
        if self.cosines is None:
            return planes
        cosine, sine = self._half_turns(which, planes)
        following, behind = self._half_turns(self._which(index + 1), planes)
        # The half steps of the diagonal between two steps are one pass over the memory.
        last = index == self.steps - 1
        following, behind = jnp.where(last, 1, following), jnp.where(last, 0, behind)
        return self._turn((cosine * following - sine * behind, cosine * behind + sine * following), planes)

    def _half_turns(self, which: Number, planes: Planes) -> tuple[jax.Array, jax.Array]:
        assert self.cosines is not None and self.sines is not None
        return column(self.cosines[which], planes[0]), column(self.sines[which], planes[0])

    def _turn(self, turns: tuple[jax.Array, jax.Array], planes: Planes) -> Planes:
        (cosine, sine), (real, imag) = turns, planes
        return cosine * real - sine * imag, cosine * imag + sine * real

    def _inside(self, which: jax.Array, planes: Planes) -> Planes:
        """What does not belong to the diagonal, in palindromic order."""
        *outer, inner = self._groups() or [lambda _, unchanged: unchanged]
        for group in outer:
            planes = group(which, planes)
        planes = inner(which, planes)
        for group in reversed(outer):
            planes = group(which, planes)
        return planes

    def _groups(self) -> list[Group]:
        count = len(self.splitting.wide)
        wide: list[Group] = [partial(self._wide, k) for k in range(count)]
        return wide + [partial(self._layer, k) for k in range(len(self.windows))]

    def _wide(self, index: int, which: jax.Array, planes: Planes) -> Planes:
        innermost = not self.windows and index == len(self.splitting.wide) - 1
        return self.splitting.rotate_wide(index, (1.0 if innermost else 0.5) * self.lengths[which], planes)

    def _layer(self, index: int, which: jax.Array, planes: Planes) -> Planes:
        for window, matrices in zip(self.splitting.layers[index], self.windows[index], strict=True):
            planes = apply_window(matrices[which], planes, window.first)
        return planes


def trotter(splitting: Splitting, dt: Number, steps: Number, is_fourth: Number) -> Trotter:
    """So many equal steps of order 2 or 4 that make exp(-i H dt)."""
    is_fourth = jnp.asarray(is_fourth)
    length = jnp.asarray(dt / steps)
    lengths = jnp.stack([jnp.where(is_fourth, OUTER * length, length), MIDDLE * length])
    turns = None if splitting.diagonal is None else _half_turns(splitting, lengths)
    last = len(splitting.layers) - 1
    windows = tuple(
        tuple(_unitaries(window, lengths if number == last else lengths / 2, splitting.is_field) for window in layer)
        for number, layer in enumerate(splitting.layers)
    )
    total = jnp.asarray(jnp.where(is_fourth, STAGES * steps, steps), jnp.int32)
    cosines, sines = (None, None) if turns is None else (turns.real, turns.imag)
    return Trotter(splitting, lengths, cosines, sines, windows, total, is_fourth)


def _unitaries(window: Window, lengths: jax.Array, is_field: bool) -> jax.Array:
    make = window.field_unitary if is_field else window.unitary
    return jnp.stack([make(length) for length in lengths])


def _half_turns(splitting: Splitting, lengths: jax.Array) -> jax.Array:
    """exp(-i D τ/2), (L, dim), with the quarter turns about z that make the rotations of a field real."""
    assert splitting.diagonal is not None
    turns = jnp.stack([phases(splitting.diagonal, length / 2) for length in lengths])
    if not splitting.is_field:
        return turns
    sites = [site for layer in splitting.layers for window in layer for site in window.sites]
    return turns * quarter_turns(splitting.dim, sites).conj()[None]
