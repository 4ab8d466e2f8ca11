"""Channels of one part of a composite system, which act along its axis: 1 ⊗ L_k ⊗ 1.

No Kronecker product is made for a step, and states may be entangled: expectation values are those of the whole state,
which for operators of the part are those of its reduced density matrix.
"""

from typing import TYPE_CHECKING, Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.channels.channel import Channel
from stochq.channels.families.diagonal import DiagonalCollapse
from stochq.channels.families.kraus_terms import Terms
from stochq.channels.families.operators import Operators
from stochq.channels.flow import Flow
from stochq.laws import Law
from stochq.systems.basis import Basis, Given, PartBasis
from stochq.systems.linear import apply_matrix
from stochq.systems.part_axis import PartAxis

if TYPE_CHECKING:
    from stochq.channels.families.transitions import Transitions


def _basis(axis: PartAxis, columns: Array | None) -> Basis:
    return Given() if columns is None else PartBasis(columns, axis)


@final
class CollapseOnPart(DiagonalCollapse):
    """Diagonal collapse of a part: κ of two joint states is κ of their levels of that part."""

    channel: DiagonalCollapse
    axis: PartAxis = eqx.field(static=True)

    def __init__(self, channel: DiagonalCollapse, axis: PartAxis, columns: Array | None) -> None:
        self.channel, self.axis, self.law = channel, axis, channel.law
        self.basis = _basis(axis, columns)

    @property
    def dim(self) -> int:
        return self.axis.joint_dim

    @property
    def noises(self) -> int:
        return self.channel.noises

    @property
    def has_records(self) -> bool:
        return self.channel.has_records

    def averages(self, weights: jax.Array) -> jax.Array:
        return self.channel.averages(self.axis.marginal(weights))

    def sample_field(self, normals: jax.Array) -> jax.Array:
        return self.axis.spread(self.channel.sample_field(normals))

    def apply_kernel(self, weights: jax.Array) -> jax.Array:
        return self.axis.spread(self.channel.apply_kernel(self.axis.marginal(weights)))

    def diagonal(self) -> jax.Array:
        return self.axis.spread(self.channel.diagonal())

    def kernel(self) -> jax.Array:
        levels = self.axis.levels
        return self.channel.kernel()[levels[:, None], levels[None, :]]

    def features(self) -> np.ndarray:
        return self.channel.features()[:, self.axis.levels]


@final
class OperatorsOnPart(Operators):
    """Any operators of a part, written in the given basis."""

    channel: Operators
    axis: PartAxis = eqx.field(static=True)

    def __init__(self, channel: Operators, axis: PartAxis) -> None:
        self.channel, self.axis, self.law = channel, axis, channel.law
        self.basis = Given()

    @property
    def dim(self) -> int:
        return self.axis.joint_dim

    @property
    def count(self) -> int:
        return self.channel.count

    def stack(self) -> Array:
        return self.channel.stack()

    def combined(self, factors: Array) -> "OperatorsOnPart":
        return OperatorsOnPart(self.channel.combined(factors), self.axis)

    def apply_one(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        return self.axis.act(lambda rows: self.channel.apply_one(parameters, rows), psi)

    def apply_one_adjoint(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        return self.axis.act(lambda rows: self.channel.apply_one_adjoint(parameters, rows), psi)

    def apply_all(self, psi: jax.Array) -> jax.Array:
        columns = psi.shape[1:]
        return jax.vmap(lambda one: self.axis.joined(one, columns))(self.channel.apply_all(self.axis.rows(psi)))

    def apply_square(self, psi: jax.Array, L_psi: jax.Array) -> jax.Array:
        rows = jax.vmap(self.axis.rows)(L_psi)
        return self.axis.act(lambda own: self.channel.apply_square(own, rows), psi)

    def exact_loss(self) -> Array:
        loss = self.channel.exact_loss()
        return self.axis.spread(loss) if loss.ndim == 1 else self.axis.matrix(loss)

    def unsupported(self, law: Law) -> str:
        return self.channel.unsupported(law)

    @property
    def kraus_is_linear(self) -> bool:
        return self.channel.kraus_is_linear

    def kraus_terms(self, stack: jax.Array, dt: jax.Array, square: bool) -> Any:
        return self.channel.kraus_terms(stack, dt, square)

    def apply_kraus(self, terms: Any, dt: jax.Array, psi: jax.Array, square: bool) -> Terms:
        parts = self.channel.apply_kraus(terms, dt, self.axis.rows(psi), square)
        return Terms(*(self.axis.joined(part, psi.shape[1:]) for part in parts))

    def kraus_rows(self, terms: np.ndarray, square: bool) -> np.ndarray:
        parts = self.channel.kraus_rows(terms, square).reshape(3, self.axis.dim, self.axis.dim)
        return np.asarray(self.axis.matrix(parts)).reshape(3 * self.dim, self.dim)

    def total_loss(self) -> np.ndarray:
        loss = self.channel.total_loss()
        return loss[self.axis.levels] if loss.ndim == 1 else np.asarray(self.axis.matrix(loss))

    def operators(self) -> Array:
        return self.axis.matrix(self.channel.operators())


@final
class TransitionsOnPart(Channel):
    """Transitions of a part at rates J_μν. What is entangled with ν goes along, so that each ν has noise of its own."""

    channel: "Transitions"
    axis: PartAxis = eqx.field(static=True)

    def __init__(self, channel: "Transitions", axis: PartAxis, columns: Array | None) -> None:
        self.channel, self.axis, self.law = channel, axis, channel.law
        self.basis = _basis(axis, columns)

    @property
    def dim(self) -> int:
        return self.axis.joint_dim

    @property
    def count(self) -> int:
        return self.channel.count

    def dense(self) -> Channel:
        return self.channel.dense().on_part(self.axis, None)

    def operators(self) -> Array:
        return self.axis.matrix(self.channel.operators())

    def unsupported(self, law: Law) -> str:
        return self.channel.unsupported(law)

    def total_loss(self) -> np.ndarray:
        return self.channel.total_loss()[self.axis.levels]

    def flow(self, law: Law) -> Flow:
        from stochq.channels.flows.sweep_on_part import SweepOnPart

        return SweepOnPart(self, law)

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        """Blocks ρ_νν of the other parts arrive at μ, all blocks decay."""
        dim, shape = self.axis.dim, (self.axis.before, self.axis.dim, self.axis.after) * 2
        blocks = jnp.einsum("anbcnd->nabcd", rho.reshape(shape))
        gained = apply_matrix(jnp.asarray(self.channel.rates()), blocks.reshape(dim, -1)).reshape(blocks.shape)
        arrived = jnp.einsum("nabcd,nm->anbcmd", gained, jnp.eye(dim)).reshape(rho.shape)
        loss = self.axis.spread(self.channel.loss())
        return arrived - 0.5 * (loss[:, None] + loss[None, :]) * rho
