"""A Hamiltonian of Pauli strings as a sum of parts whose exponentials are known: a diagonal, and layers of windows."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, Number, as_real, is_concrete, stacked
from stochq.module import Module
from stochq.systems.hamiltonian import Dense
from stochq.systems.propagation.diagonal import DiagonalSum, diagonal_of, quarter_turns
from stochq.systems.propagation.strings import String, apply_to_planes, is_diagonal, rotate, string_matrix
from stochq.systems.propagation.windows import Planes, apply_real, known_after, shifted_windows, windows_of


@final
class Window(Module):
    """The terms that act within a few neighbouring sites, as one matrix."""

    block: Dense
    first: int = eqx.field(static=True)

    @property
    def sites(self) -> range:
        """The sites on which it acts."""
        return range(self.first, self.first + self.block.dim.bit_length() - 1)

    def unitary(self, dt: Number) -> jax.Array:
        """exp(-i G dt)."""
        return self.block.propagator(dt).unitary

    def field_unitary(self, dt: Number) -> jax.Array:
        """S exp(-i G dt) S with S = diag(1, i) at every site: real where G is a field along x."""
        turns = quarter_turns(self.block.dim, range(len(self.sites)))
        return (turns[:, None] * self.unitary(dt) * turns[None, :]).real

    def added_to(self, total: Planes, factor: jax.Array, planes: Planes) -> Planes:
        """total + factor Gψ, one real product after another, so that no more than one is held beside the total."""
        matrix, (real, imag) = self.block.elements, planes
        parts = [(0, matrix.real, real), (1, matrix.real, imag)]
        if jnp.iscomplexobj(matrix):
            parts = [parts[0], (0, -matrix.imag, imag), parts[1], (1, matrix.imag, real)]
        sums = list(total)
        for k, part, plane in parts:
            weighed = known_after(total, factor) * jnp.asarray(part, plane.dtype)
            sums[k] = sums[k] + apply_real(weighed, plane, self.first)
            total = sums[0], sums[1]
        return total


@final
class Splitting(Module):
    """H = diagonal + layers + strings. The windows of a layer have no site in common.

    diagonal: of the strings of Z, or None. wide: the strings that fit no window, each by itself, with coefficients.
    strength: the largest sum of the terms' moduli at one site. is_field: whether it is a diagonal and a field along x,
    which makes all matrices of a step real. errors: of the product formulas, as of `with_measured_errors`; None where
    unknown. way: of making steps, as of `with_chosen_way`.
    """

    diagonal: DiagonalSum | None
    layers: tuple[tuple[Window, ...], ...]
    wide_coefficients: Array
    strength: Number
    wide: tuple[String, ...] = eqx.field(static=True)
    sites: int = eqx.field(static=True)
    is_field: bool = eqx.field(static=True)
    errors: Array | None = None
    way: Literal["product", "polynomial"] | None = eqx.field(static=True, default=None)

    @property
    def dim(self) -> int:
        return 2**self.sites

    @property
    def groups(self) -> int:
        """Number of parts that do not commute."""
        return (self.diagonal is not None) + len(self.layers) + len(self.wide)

    def apply(self, planes: Planes) -> Planes:
        """H on a state held as two real arrays."""
        return self.added_to(jax.tree.map(jnp.zeros_like, planes), 1.0, 0.0, planes)

    def added_to(self, total: Planes, factor: Number, shift: Number, planes: Planes) -> Planes:
        """total + factor (H − shift)ψ, part by part in the place of the total."""
        dtype = planes[0].dtype
        factor, shift = jnp.asarray(factor, dtype), jnp.asarray(shift, dtype)
        if self.diagonal is None:
            total = jax.tree.map(lambda plane, part: plane - factor * (shift * part), total, planes)
        else:
            add = partial(self.diagonal.added_to, factor=factor, shift=shift)
            total = add(total[0], plane=planes[0]), add(total[1], plane=planes[1])
        for window in (window for layer in self.layers for window in layer):
            total = window.added_to(total, factor, planes)
        for string, coefficient in zip(self.wide, self.wide_coefficients, strict=True):
            weight = known_after(total, factor) * jnp.asarray(coefficient, dtype)
            part = apply_to_planes(string, planes)
            total = total[0] + weight * part[0], total[1] + weight * part[1]
        return total

    def rotate_wide(self, index: int, dt: Number, planes: Planes) -> Planes:
        """exp(-i c_k P_k dt) of the k-th wide string."""
        angle = jnp.asarray(self.wide_coefficients[index], planes[0].dtype) * dt
        return rotate(self.wide[index], angle, planes)


def splitting_of(sites: int, terms: Sequence[tuple[Number, Mapping[int, str]]]) -> Splitting:
    """The splitting of H = sum of coefficient times product of Pauli matrices, by sites {site: "X"}."""
    strings = [tuple(sorted(letters.items())) for _, letters in terms]
    coefficients = [as_real(coefficient) for coefficient, _ in terms]
    terms_of_z = [(c, s) for c, s in zip(coefficients, strings, strict=True) if is_diagonal(s)]
    left = [(c, s) for c, s in zip(coefficients, strings, strict=True) if not is_diagonal(s)]
    of_z = [string for _, string in terms_of_z]
    diagonal = diagonal_of(sites, of_z, stacked([c for c, _ in terms_of_z])) if of_z else None
    layers = []
    for runs in (windows_of(sites), shifted_windows(sites)):
        layer, left = _layer(runs, left)
        layers += [layer] if layer else []
    wide = stacked([c for c, _ in left]) if left else np.zeros(0)
    strings_left = tuple(string for _, string in left)
    is_field = diagonal is not None and all(is_diagonal(s) or (len(s) == 1 and s[0][1] == "X") for s in strings)
    strength = _strength(sites, coefficients, strings)
    return Splitting(diagonal, tuple(layers), wide, strength, strings_left, sites, is_field)


def _strength(sites: int, coefficients: list[Array], strings: list[String]) -> Number:
    xp = np if is_concrete(coefficients) else jnp
    total = xp.zeros(sites)
    for coefficient, string in zip(coefficients, strings, strict=True):
        total = total + xp.abs(coefficient) * np.isin(np.arange(sites), [site for site, _ in string])
    return xp.max(total)


def _layer(
    runs: tuple[tuple[int, int], ...], terms: list[tuple[Array, String]]
) -> tuple[tuple[Window, ...], list[tuple[Array, String]]]:
    """The windows of those runs of sites that hold a term, and the terms that fit none."""
    windows, left = [], list(terms)
    for first, count in runs:
        fits = [all(first <= site < first + count for site, _ in string) for _, string in left]
        inside = [term for term, fit in zip(left, fits, strict=True) if fit]
        left = [term for term, fit in zip(left, fits, strict=True) if not fit]
        if inside:
            matrix = sum(c * string_matrix(s, first, count) for c, s in inside)
            windows.append(Window(Dense(matrix), first))
    return tuple(windows), left
