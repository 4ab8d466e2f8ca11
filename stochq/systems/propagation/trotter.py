"""Suzuki and Trotter's product formulas of order 2 and 4 (M. Suzuki, Phys. Lett. A 146, 319 (1990))."""

from collections.abc import Callable
from functools import partial
from typing import final

import jax
import jax.numpy as jnp
from jax import lax

from stochq.arrays import Number
from stochq.systems.hamiltonian import Propagator, State
from stochq.systems.linear import phases
from stochq.systems.propagation.diagonal import product
from stochq.systems.propagation.loops import behind_loop
from stochq.systems.propagation.splitting import Splitting, Window
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

    lengths: (L,) of the symmetric steps S_2, the second that of the middle one where the order is 4. turns: real and
    imaginary parts (L, 2^k) of the phases of the diagonal's half steps, for each of its tables; none without one.
    windows: of every layer, matrices (L, 2^k, 2^k) over half a step, of the last over a whole one. steps: the number of
    S_2. Steps and order may be traced, so that nothing is compiled anew where they change.
    """

    splitting: Splitting
    lengths: jax.Array
    turns: tuple[Planes, ...]
    windows: tuple[tuple[jax.Array, ...], ...]
    steps: jax.Array
    is_fourth: jax.Array

    def __call__(self, t: Number, psi: State) -> State:
        return lax.complex(*self.on_planes(planes_of(psi)))

    def on_planes(self, planes: Planes) -> Planes:
        """Of a state held as two real arrays."""
        shape = planes[0].shape
        # Without the axis of a single column, which XLA would put first in memory and then copy.
        planes = jax.tree.map(lambda plane: plane.reshape([n for n in shape if n > 1] or [1]), planes)
        # One loop for both orders, and for any number of steps.
        planes = self._with_phases(self._half_turns(0), planes)
        planes = behind_loop(self.steps, lax.fori_loop(0, self.steps, self._step, planes))
        return jax.tree.map(lambda plane: plane.reshape(shape), planes)

    def _which(self, index: Number) -> jax.Array:
        """The length of a step, by its number."""
        return jnp.where(self.is_fourth & (index % STAGES == _BACKWARDS), len(self.lengths) - 1, 0)

    def _step(self, index: jax.Array, planes: Planes) -> Planes:
        which = self._which(index)
        planes = self._inside(which, planes)
        # The half steps of the diagonal between two steps are one pass over the memory.
        last = index == self.steps - 1
        pairs = zip(self._half_turns(which), self._half_turns(self._which(index + 1)), strict=True)
        return self._with_phases([product(turn, _unless(last, following)) for turn, following in pairs], planes)

    def _half_turns(self, which: Number) -> list[Planes]:
        return [(cosines[which], sines[which]) for cosines, sines in self.turns]

    def _with_phases(self, factors: list[Planes], planes: Planes) -> Planes:
        if self.splitting.diagonal is None:
            return planes
        return self.splitting.diagonal.apply_phases(factors, planes)

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
    last = len(splitting.layers) - 1
    windows = tuple(
        tuple(_unitaries(window, lengths if number == last else lengths / 2, splitting.is_field) for window in layer)
        for number, layer in enumerate(splitting.layers)
    )
    total = jnp.asarray(jnp.where(is_fourth, STAGES * steps, steps), jnp.int32)
    return Trotter(splitting, lengths, _half_turns(splitting, lengths), windows, total, is_fourth)


def _unitaries(window: Window, lengths: jax.Array, is_field: bool) -> jax.Array:
    make = window.field_unitary if is_field else window.unitary
    return jnp.stack([make(length) for length in lengths])


def _half_turns(splitting: Splitting, lengths: jax.Array) -> tuple[Planes, ...]:
    """exp(-i D τ/2), (L, 2^k) for each table, with the quarter turns about z that make rotations of a field real."""
    if splitting.diagonal is None:
        return ()
    turns = [jnp.stack([phases(table, length / 2) for length in lengths]) for table in splitting.diagonal.tables]
    if splitting.is_field:
        sites = [site for layer in splitting.layers for window in layer for site in window.sites]
        quarters = splitting.diagonal.quarter_turns(sites)
        turns = [turn * quarter.conj()[None] for turn, quarter in zip(turns, quarters, strict=True)]
    return tuple(planes_of(turn) for turn in turns)


def _unless(condition: jax.Array, turn: Planes) -> Planes:
    """A phase, or 1."""
    return jnp.where(condition, 1, turn[0]), jnp.where(condition, 0, turn[1])
