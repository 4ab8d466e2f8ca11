"""Every family of channels beside its jump operators written as plain matrices."""

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from stochq.channels import (
    BandedOperators,
    Channel,
    DenseOperators,
    Features,
    Kernel,
    Projectors,
    RateMatrix,
    Separable,
    SiteCollapse,
)
from stochq.channels.families import kernel
from stochq.noise import StepNoise
from tests.problems import hermitian, kernel_jumps, periodic_distance, transitions

LAWS = ("real", "complex", "unitary")


class Case(NamedTuple):
    """A channel, the same as matrices, and the noise laws it has."""

    channel: Channel
    jumps: list[np.ndarray]
    laws: tuple[Any, ...] = LAWS


def _random(seed, *shape):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def _banded():
    bands = 0.4 * _random(3, 2, 3, 5)
    jumps = [np.zeros((5, 5), complex) for _ in bands]
    for jump, rows in zip(jumps, bands, strict=True):
        for offset, row in zip((-1, 0, 2), rows, strict=True):
            for i in range(5):
                if 0 <= i + offset < 5:
                    jump[i, i + offset] = row[i]
    return Case(BandedOperators((-1, 0, 2), bands), jumps, ("real", "complex"))


def _grid(points, length):
    return np.arange(points) * length / points


def _kernel_line(fourier):
    x = _grid(8, 6.0)
    profile = np.exp(-2 * periodic_distance(x, 6.0)[0] ** 2)
    limit, kernel.DENSE_KERNEL_POINTS = kernel.DENSE_KERNEL_POINTS, 0 if fourier else 512
    try:
        channel = Kernel(profile, 0.7)
    finally:
        kernel.DENSE_KERNEL_POINTS = limit
    assert (channel.root_matrix is None) == fourier
    return Case(channel, kernel_jumps(0.7 * np.exp(-2 * periodic_distance(x, 6.0) ** 2)))


def _sites():
    rates, z = np.array([0.3, 0.0, 0.8]), np.diag([1.0, -1.0])
    jumps = [np.kron(np.eye(2 ** (2 - j)), np.kron(z, np.eye(2**j))) for j in range(3)]
    return Case(
        SiteCollapse(rates), [np.sqrt(rate) * jump.astype(complex) for rate, jump in zip(rates, jumps, strict=True)]
    )


def _kernel_plane():
    axis = np.exp(-(periodic_distance(_grid(3, 3.0), 3.0) ** 2) / 2)
    profile = np.multiply.outer(axis[0], axis[0])
    return Case(Kernel(profile, 0.7), kernel_jumps(0.7 * np.kron(axis, axis)))


def _cases():
    rates = np.array([0.7, 0.0, 1.2, 0.4])
    features = np.array([[0.5, -0.2, 0.9, 0.1], [0.3, 0.3, -0.6, 0.8]])
    target, source = np.array([0.5, 0.1, 0.0, 0.4]), np.array([0.2, 1.0, 0.7, 0.4])
    matrix = np.random.default_rng(1).uniform(0, 0.5, (4, 4))
    dense, real_one = 0.4 * _random(2, 3, 4, 4), np.array([[0.3, 0.5], [-0.2, 0.1]])
    hermitians = [hermitian(3, seed, 0.5) for seed in (4, 5)]
    jumping = ("real", "complex")
    return {
        "projectors": Case(Projectors(rates), [np.diag(np.sqrt(rates) * unit) for unit in np.eye(4)]),
        "features": Case(Features(features, 0.8), [np.sqrt(0.8) * np.diag(row) for row in features]),
        "kernel, dense": _kernel_line(fourier=False),
        "kernel, fourier": _kernel_line(fourier=True),
        "kernel, plane": _kernel_plane(),
        "sites": _sites(),
        "separable": Case(Separable(target), transitions(np.outer(target, np.ones(4)), np.eye(4)), jumping),
        "separable with sources": Case(
            Separable(target, source), transitions(np.outer(target, source), np.eye(4)), jumping
        ),
        "rate matrix": Case(RateMatrix(matrix), transitions(matrix, np.eye(4)), jumping),
        "dense": Case(DenseOperators(dense), list(dense), jumping),
        "one real matrix": Case(DenseOperators(real_one[None]), [real_one], jumping),
        "hermitian": Case(DenseOperators(hermitians), hermitians),
        "banded": _banded(),
    }


CASES = _cases()
PAIRS = [(name, law) for name, case in CASES.items() for law in case.laws]
DIAGONAL = ("projectors", "features", "kernel, dense", "kernel, fourier", "kernel, plane", "sites")


def compiled(channel, method):
    """A method of a channel or of its flow, the channel's numbers as arguments."""
    call = eqx.filter_jit(lambda owner, *arguments: getattr(owner, method)(*arguments))
    return partial(call, channel)


def stepper(flow):
    """A flow's step at any time, the channel's numbers as arguments: (dt, psi, noise, terms, reverse) -> psi."""
    step = recorder(flow)
    return lambda *arguments: step(*arguments)[0]


def recorder(flow):
    """As `stepper`, with the increment of the record: (dt, psi, noise, terms, reverse) -> (psi, increment)."""
    step = compiled(flow, "step")
    return lambda dt, *arguments: step(jnp.zeros(()), dt, *arguments)


def draw(rng, budget, columns, dtype=np.float64):
    """Random numbers for a budget, (slots, columns)."""
    pairs = rng.normal(size=(budget.complex_normals, columns)) + 1j * rng.normal(size=(budget.complex_normals, columns))
    return StepNoise(
        jnp.asarray(rng.normal(size=(budget.real_normals, columns)), dtype),
        jnp.asarray(pairs, np.result_type(dtype, np.complex64)),
        jnp.asarray(rng.uniform(size=(budget.uniforms, columns)), dtype),
        jnp.asarray(rng.integers(0, 2**32, size=(1, budget.words, columns), dtype=np.uint32)),
        uniform_pairs=jnp.asarray(_uniform_pairs(rng, budget, columns), np.result_type(dtype, np.complex64)),
    )


def _uniform_pairs(rng, budget, columns):
    shape = (budget.uniform_pairs, columns)
    return rng.uniform(size=shape) + 1j * rng.uniform(size=shape)
