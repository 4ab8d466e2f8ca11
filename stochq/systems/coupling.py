"""Composite systems put together: parts with names, and couplings as sums of products of their operators."""

from collections.abc import Mapping

import equinox as eqx

from stochq.arrays import Coupling, OperatorLike, as_matrix, is_concrete
from stochq.systems.checks import check_finite
from stochq.systems.composite import Composite, assembled
from stochq.systems.embedded import Diagonals, added, embedded, is_hermitian, product_of_parts, times
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.levels import as_hamiltonian


def tensor(
    *parts: Hamiltonian | OperatorLike,
    coupling: Coupling = (),
    **named: Hamiltonian | OperatorLike,
) -> Composite:
    r"""Systems beside each other, coupled by sums of products of their operators.

    $$H = \sum_p H_p + \sum_k c_k \bigotimes_p A^{(k)}_p$$

    Joint states are in the order of `numpy.kron`: the last part changes fastest.

    Args:
        parts: systems, Hermitian matrices or energies; they are called "0", "1", ...
        coupling: products {part: operator of that part} or (coefficient, product), whose sum is Hermitian.
        named: parts with a name of their own, in the place of `parts`.

    Returns:
        A Hamiltonian with `.operators["part:name"]`, `.embed(operator, part)`, `.product(...)` and
        `.reduced(state, keep)`.

    Raises:
        ValueError: for fewer than two parts, one that depends on time or is never a matrix, operators of other shapes,
            and a coupling that is not Hermitian.

    >>> import numpy as np
    >>> lower = np.array([[0.0, 1.0], [0.0, 0.0]])
    >>> swap = [{"left": lower, "right": lower.T}, {"left": lower.T, "right": lower}]
    >>> pair = tensor(left=[0.0, 1.0], right=[0.0, 1.0], coupling=[(0.25, term) for term in swap])
    >>> pair.dims, pair.energies.round(2).tolist()
    ((2, 2), [0.0, 0.75, 1.25, 2.0])
    """
    if parts and named:
        raise ValueError("parts: expected all of them with names or none; got both.")
    given = {str(number): part for number, part in enumerate(parts)} if parts else named
    if len(given) < 2:
        raise ValueError(f"parts: expected at least two systems; got {len(given)}.")
    made = {name: _checked(name, part) for name, part in given.items()}
    whole = assembled(tuple(made.values()), None, tuple(made))
    terms = [coupling] if isinstance(coupling, Mapping) else list(coupling)
    if not terms:
        return whole
    total = added(*(_term(whole, f"coupling[{number}]", term) for number, term in enumerate(terms)))
    if is_concrete(list(total.values())) and not is_hermitian(total):
        raise ValueError("coupling: expected a Hermitian sum; got one that is not. Add the Hermitian conjugates.")
    return assembled(whole.parts, eqx.tree_at(lambda v: v.bands, embedded(total), replace_fn=as_matrix), whole.names)


def _checked(name: str, part: Hamiltonian | OperatorLike) -> Hamiltonian:
    system = as_hamiltonian(part, name)
    if system.time_dependent:
        raise ValueError(
            f"{name}: expected a system that does not depend on time; got a driven one. Drive the whole: "
            f"sq.systems.driven(joint, [(joint.embed(A, {name!r}).matrix(), f)])."
        )
    if system.is_matrix_free:
        raise ValueError(f"{name}: expected a system with a matrix; got {system.dim} states that never have one.")
    return system


def _term(whole: Composite, argument: str, term: object) -> Diagonals:
    coefficient, product = term if isinstance(term, tuple) and len(term) == 2 else (1.0, term)
    if not isinstance(product, Mapping) or not product:
        raise ValueError(
            f"{argument}: expected a product such as {{{whole.names[0]!r}: A, {whole.names[1]!r}: B}}, or a "
            f"coefficient and a product; got {type(product).__name__}."
        )
    check_finite(f"{argument}, its coefficient", coefficient)
    factors = [
        whole.diagonals(f"{argument}[{part!r}]", operator, whole.index(argument, part))
        for part, operator in product.items()
    ]
    return times(coefficient, product_of_parts(factors))
