"""Thermalization towards an equilibrium that is known by its action on states alone: no spectrum appears."""

from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, Number, as_real
from stochq.channels.channel import Channel
from stochq.channels.flow import Flow
from stochq.laws import COMPLEX, Law
from stochq.noise import Budget, StepNoise
from stochq.systems.linear import inner, times_real

if TYPE_CHECKING:
    from stochq.systems.typicality.equilibrium import EquilibriumMap


@final
class Equilibration(Channel):
    r"""L_ij = √a χ^½ |i⟩⟨j| for all pairs of an orthonormal basis, no matter which one, with complex noise.

    Given ψ all dim² processes act through one vector η of complex normals, E|dη_i|² = dt and E dη_i² = 0:

    $$d\psi = \big[a\chi - \tfrac a2 - \tfrac a2\langle\chi\rangle\big]\psi\,dt
      + \sqrt a\,(1-|\psi\rangle\langle\psi|)\,\chi^{1/2}d\eta$$

    In the energy basis these are the transitions of OQT (`thermalization` eq. 5), a = α𝒩/ħ.

    Args:
        chi: what the equilibrium χ does to states, a function of the Hamiltonian.
        rate: a, an inverse time.
        purity: Tr χ², whose root is by how much expectation values fluctuate in equilibrium; None: the least that it
            can be, 1/dim.
        trace_error: relative standard error of the norm of χ, by which the rate is uncertain: it is a Tr χ.
    """

    chi: Any
    rate: Number
    purity: Number
    trace_error: Number

    def __init__(
        self, chi: "EquilibriumMap", rate: Number, purity: float | None = None, trace_error: float = 0.0
    ) -> None:
        self.chi, self.rate, self.trace_error = chi, as_real(rate), as_real(trace_error)
        self.purity = as_real(1 / self.dim if purity is None else purity)
        self.law = COMPLEX

    @property
    def dim(self) -> int:
        return self.chi.hamiltonian.dim

    @property
    def count(self) -> int:
        return self.dim**2

    @property
    def relaxation(self) -> tuple[Number, Number, "EquilibriumMap"]:
        return self.rate, self.trace_error, self.chi

    def unsupported(self, law: Law) -> str:
        if law is COMPLEX:
            return ""
        return (
            f"noise: expected 'complex' with an equilibrium that is known without its eigenstates; got {law.name!r}. "
            "Other noise depends on the energy eigenstates one by one, real noise on their phases, too. Averages of "
            "operators are the same under all laws; up to 4096 states sq.systems.ising and xxz have eigenstates."
        )

    def budget(self, law: Law) -> Budget:
        return Budget(complex_normals=self.dim)

    def drift(self, t: jax.Array, psi: jax.Array, law: Law) -> jax.Array:
        inside = self.chi.apply(psi)
        return times_real(self.rate, inside - times_real(0.5 * (1 + inner(psi, inside).real), psi))

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: Law) -> jax.Array:
        drawn = self.chi.root(times_real(jnp.sqrt(0.5 * self.rate * dt), noise.complex_normals))
        return drawn - inner(psi, drawn) * psi

    def flow(self, law: Law) -> Flow:
        from stochq.channels.flows.equilibration import EquilibrationFlow

        return EquilibrationFlow(self, law)

    def total_loss(self) -> np.ndarray:
        return np.full(self.dim, float(self.rate))

    def matrix(self) -> Array:
        """χ as a matrix (dim, dim), for few states."""
        return self.chi.apply(jnp.eye(self.dim, dtype=complex))

    def operators(self) -> jax.Array:
        root = self.chi.root(jnp.eye(self.dim, dtype=complex))
        pairs = jnp.einsum("mi,jn->ijmn", jnp.sqrt(self.rate) * root, jnp.eye(self.dim))
        return pairs.reshape(-1, self.dim, self.dim)

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        """a(χ Tr ρ − ρ)."""
        return (jnp.asarray(self.matrix()) * jnp.trace(rho) - rho) * self.rate
