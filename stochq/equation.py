"""What evolves: a Hamiltonian, channels of jump operators and a noise law."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import (
    Array,
    Number,
    OperatorLike,
    as_real,
    is_concrete,
    square_root_of_pairs,
    stacked,
)
from stochq.channels import Channel
from stochq.laws import ANY, LEFT_OPEN, REAL, Law, NoiseLaw, law_of
from stochq.measurement.detector import Detector, as_stack, full
from stochq.measurement.line import Line, WatchedParts
from stochq.measurement.record import Kind
from stochq.module import Module
from stochq.noise import Coloured, SphericalBrownian
from stochq.qutip_objects import as_operators, changing_operator
from stochq.systems.basis import given_from
from stochq.systems.checks import check_number
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.influences import Influence
from stochq.systems.levels import as_hamiltonian

if TYPE_CHECKING:
    from qutip import Qobj, QobjEvo

# What is written down of operators that no detector watches, by the law of their noise.
_KINDS: dict[str, Kind] = {"real": "homodyne", "complex": "heterodyne", "jump": "counting"}

# Values that differ by the rounding of single precision are one.
_SAME_HBAR = 1e-6
_FORMULA = (
    r"d\psi = -\tfrac{i}{\hbar}H\psi\,dt + \sum_k\big[(L_k-\langle L_k\rangle)dW_k "
    r"+ (\langle L_k^\dagger\rangle L_k - \tfrac12 L_k^\dagger L_k - \tfrac12|\langle L_k\rangle|^2)dt\big]\psi"
)


@final
class Equation(Module):
    r"""A norm-preserving stochastic Schrödinger equation (Itô).

    $$d\psi = -\tfrac{i}{\hbar}H\psi\,dt + \sum_k\big[(L_k-\langle L_k\rangle)dW_k
      + (\langle L_k^\dagger\rangle L_k - \tfrac12 L_k^\dagger L_k - \tfrac12|\langle L_k\rangle|^2)dt\big]\psi$$

    It unravels dρ/dt = −(i/ħ)[H, ρ] + Σ_k (L_k ρ L_k† − ½{L_k†L_k, ρ}) for every noise law with E|dW|² = dt:
    "real", "complex" (E dW² = 0) or "unitary" (a random potential, Hermitian L_k only); with "jump" the state jumps to
    L_kψ/‖L_kψ‖ at the rate ‖L_kψ‖² and follows H − (iħ/2)Σ L_k†L_k between clicks. With a colour the random
    potential has a spectrum (`fermi-heating` eq. 2) and no Lindblad equation:

    $$i\hbar\,\dot\psi = \Big[H + \hbar\sum_k L_k\xi_k(t)\Big]\psi$$

    >>> import stochq as sq
    >>> qubit = sq.systems.levels([[0.5, 0.0], [0.0, -0.5]])
    >>> sq.models.suv(qubit, strength=1.0).dim
    2
    """

    hamiltonian: Hamiltonian
    channels: tuple[Channel, ...]
    hbar: Any = 1.0
    colour: Coloured | SphericalBrownian | None = None
    detectors: tuple[Detector, ...] = ()
    _lines: tuple[Line, ...] = eqx.field(static=True, default=())
    _order: tuple[tuple[int, int | None], ...] = eqx.field(static=True, default=())

    def __init__(
        self,
        hamiltonian: Hamiltonian | OperatorLike,
        channels: Sequence[Channel],
        noise: NoiseLaw | Law | None = None,
        hbar: Number = 1.0,
        colour: Coloured | SphericalBrownian | None = None,
        detectors: Sequence[Detector] = (),
        lines: Sequence[Line] = (),
        order: Sequence[tuple[int, int | None]] = (),
    ) -> None:
        self.hamiltonian = as_hamiltonian(hamiltonian)
        self.channels = _checked_channels(channels)
        if noise is not None:
            law = law_of(noise)
            self.channels = tuple(channel.with_law(law) for channel in self.channels)
        check_number("hbar", hbar)
        self.hbar = as_real(hbar)
        self.colour = colour
        self.detectors, self._lines = tuple(detectors), tuple(lines)
        # (channel, operator) in the order in which the operators were given, None for all of a channel.
        self._order = tuple(order) or tuple((place, None) for place in range(len(self.channels)))
        if is_concrete(self.hbar) and not (self.hbar.ndim == 0 and np.isfinite(self.hbar) and self.hbar > 0):
            raise ValueError(f"hbar: expected a positive number; got {hbar}.")
        self._check_hbar()
        for channel in self.channels:
            if channel.dim != self.dim:
                raise ValueError(
                    f"channels: expected operators of dimension {self.dim}, that of the Hamiltonian; "
                    f"{type(channel).__name__} has {channel.dim}."
                )
            if problem := channel.unsupported(channel.law):
                raise ValueError(problem)
        self._check_colour()

    def _check_hbar(self) -> None:
        values = self.hamiltonian.values_of_hbar
        if not values or not is_concrete((self.hbar, values)):
            return
        own, *others = map(float, values)
        if not np.allclose(others, own, rtol=_SAME_HBAR, atol=0):
            parts = ", ".join(f"{value:g}" for value in (own, *others))
            raise ValueError(f"hbar: expected one value for all parts of the system; they were made with {parts}.")
        if not np.isclose(float(self.hbar), own, rtol=_SAME_HBAR, atol=0):
            raise ValueError(
                f"hbar: expected {own:g}, with which the system was made; got {float(self.hbar):g}. Give hbar={own:g} "
                "to the model as well."
            )

    def _check_colour(self) -> None:
        if self.colour is None:
            return
        if not isinstance(self.colour, (Coloured, SphericalBrownian)):
            raise ValueError(
                f"colour: expected a process such as sq.noise.OrnsteinUhlenbeck(0.1); got {type(self.colour).__name__}."
            )
        if len(self.channels) != 1:
            raise ValueError(
                f"colour: expected an equation with one channel, whose noise it colours; got {len(self.channels)}. "
                "Operators that are diagonal in one basis are one channel: sq.channels.Features(diagonals)."
            )
        if problem := self.channels[0].unsupported_colour(self.channels[0].law):
            raise ValueError(f'colour: {problem}. Use noise="unitary" with collapse operators, or colour=None.')
        if isinstance(self.colour, SphericalBrownian) and not self.channels[0].law.collapses:
            raise ValueError(
                "colour: expected a Gaussian process for a random potential; got SphericalBrownian. Use "
                "sq.noise.OrnsteinUhlenbeck(...), or sq.models.coloured_suv."
            )

    def __add__(self, other: "Equation") -> "Equation":
        r"""Both equations' channels on their one Hamiltonian, with the records of both.

        Raises:
            ValueError: for another Hamiltonian or ħ, coloured noise, one with detectors beside one without, and two
                records of one name.

        >>> import stochq as sq
        >>> qubit = sq.systems.levels([0.0, 1.0])
        >>> both = sq.models.suv(qubit, strength=1.0) + sq.models.unravel(qubit, [[[0.0, 1.0], [0.0, 0.0]]])
        >>> len(both.channels), [line.name for line in both.lines]
        (2, ['L0', 'L1', 'L2'])
        """
        if not isinstance(other, Equation):
            return NotImplemented
        _check_addable(self, other)
        places, numbers = len(self.channels), len(self.detectors)
        lines = [
            Line(line.name, tuple((place + places, one) for place, one in line.sources), line.detector + numbers)
            for line in other._lines
        ]
        order = [(place + places, operator) for place, operator in other._order]
        return Equation(
            self.hamiltonian, self.channels + other.channels, None, self.hbar,
            detectors=self.detectors + other.detectors, lines=(*self._lines, *lines), order=(*self._order, *order),
        )  # fmt: skip

    def with_channels(self, hamiltonian: Hamiltonian, channels: Sequence[Channel]) -> "Equation":
        """Other channels, one for each of these, on another Hamiltonian; operators are named in the same order."""
        return Equation(hamiltonian, channels, None, self.hbar, self.colour, order=self._order)

    @property
    def noise(self) -> str:
        """The law of the noise, "mixed" where channels have several; "real" where there is none."""
        names = {channel.law.name for channel in self.channels} or {REAL.name}
        return names.pop() if len(names) == 1 else "mixed"

    @property
    def time_dependent(self) -> bool:
        """Whether the Hamiltonian or a channel depends on time."""
        return self.hamiltonian.time_dependent or any(channel.time_dependent for channel in self.channels)

    @property
    def influences(self) -> tuple[Influence, ...]:
        """How much coefficients that depend on time do per time: angles and jumps."""
        hbar = float(self.hbar)
        named = [
            (f"hamiltonian: {one.name}", one._replace(size=one.size / hbar)) for one in self.hamiltonian.influences
        ]
        for place, channel in enumerate(self.channels):
            named += [(f"channels[{place}]: {one.name}", one) for one in channel.influences]
        return tuple(one._replace(name=name) for name, one in named)

    @property
    def dim(self) -> int:
        """Dimension of the Hilbert space."""
        return self.hamiltonian.dim

    @property
    def lines(self) -> tuple[Line, ...]:
        """Which operators write which record: the detectors' names, or "L0", "L1", … for the operators in the order in
        which they were given, of channels that tell single records."""
        check_law_is_named(self)
        if self.detectors or self._lines:
            return self._lines
        sources = list(self._sources())
        counts = [channel.record_count(channel.law) for channel in self.channels]
        return tuple(Line(f"L{k}", (source,)) for k, source in enumerate(sources) if source[1] < counts[source[0]])

    def _sources(self) -> Iterator[tuple[int, int]]:
        """(channel, operator) in the order in which they were given; channels given whole count with their records."""
        for place, operator in self._order:
            channel = self.channels[place]
            some = range(channel.record_count(channel.law)) if operator is None else (operator,)
            yield from ((place, one) for one in some)

    @property
    def fed_back(self) -> bool:
        """Whether records drive it without delay, as in `sq.models.markovian_feedback`."""
        return any(detector.fed_back for detector in self.detectors)

    def watched_parts(self, t: Number = 0.0) -> WatchedParts:
        """The equation as a conditional master equation needs it, at time t.

        Channels without detectors count as watched without loss by their own law where they tell single records, and as
        lost where they do not.
        """
        dim = self.dim
        frequencies = jnp.asarray(self.hamiltonian.matrix(t)) if self.time_dependent else self.hamiltonian.matrix()
        frequencies = full(frequencies) / self.hbar
        if not self.detectors:
            return self._unwatched_parts(frequencies, t)
        watched = [one for each in self.detectors if each.kind in ("homodyne", "heterodyne") for one in each.watched(t)]
        counters = [each for each in self.detectors if each.kind == "counting"]
        counted = [one for each in counters for one in each.watched(t)]
        dark = stacked([each.dark for each in counters]) if counters else np.zeros(0)
        # Only ℓρℓ† and ℓ†ℓ are made of them.
        lost = [one for each in self.detectors for one in each.lost(square_root_of_pairs)]
        return WatchedParts(frequencies, as_stack(watched, dim), as_stack(counted, dim), dark, as_stack(lost, dim))

    def _unwatched_parts(self, frequencies: Array, t: Number) -> WatchedParts:
        given = {}
        for place, channel in enumerate(self.channels):
            operators = self.in_given_basis(channel, channel.operators_at(t))
            given |= {(place, number): one for number, one in enumerate(operators)}
        watched, counted = [], []
        for line in self.lines:
            law, operator = self.channels[line.sources[0][0]].law, given.pop(line.sources[0])
            if law.name == "jump":
                counted.append(operator)
            else:
                watched += [factor * operator for factor in law.variants]
        stacks = [as_stack(part, self.dim) for part in (watched, counted, list(given.values()))]
        return WatchedParts(frequencies, stacks[0], stacks[1], np.zeros(len(counted)), stacks[2])

    def to_qutip(self, t: float | None = None) -> tuple["Qobj | QobjEvo", list["Qobj | QobjEvo"]]:
        """H/ħ and the jump operators L_k, with the Hamiltonian's dims: `qutip.mesolve(H, psi0, times, c_ops)`.

        Args:
            t: a time, at which the operators are taken; None for those that depend on time as `qutip.QobjEvo`.

        Raises:
            ValueError: for coloured noise, which has no Lindblad equation.

        >>> import stochq as sq
        >>> H, c_ops = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=0.5).to_qutip()
        >>> H.dims, len(c_ops)
        ([[2], [2]], 2)
        """
        if self.colour is not None:
            raise ValueError("equation: expected white noise; coloured noise has no jump operators of its own.")
        jumps = [one for channel in self.channels for one in self._jumps_in_qutip(channel, t)]
        return self.hamiltonian.to_qutip(t) * (1 / float(self.hbar)), jumps

    def _jumps_in_qutip(self, channel: Channel, t: float | None) -> list["Qobj | QobjEvo"]:
        def operators(t: float) -> np.ndarray:
            with jax.enable_x64(True):
                return np.asarray(self.in_given_basis(channel, channel.operators_at(t)))

        dims, found = self.hamiltonian.dims, operators(t or 0.0)
        if t is not None or not channel.time_dependent:
            return as_operators(found, dims)
        return [changing_operator(lambda t, place=place: operators(t)[place], dims) for place in range(len(found))]

    def edges(self, times: np.ndarray) -> np.ndarray:
        """The times within a run at which a coefficient jumps, ascending: no step reaches over one.

        times: (T,) at which the run is saved. Raises: ValueError where samples do not cover them.
        """
        functions = {f"hamiltonian: {name}": f for name, f in self.hamiltonian.time_functions.items()}
        for place, channel in enumerate(self.channels):
            functions |= {f"channels[{place}]: {name}": f for name, f in channel.time_functions.items()}
        found = [f.edges_within(name, float(times[0]), float(times[-1])) for name, f in functions.items()]
        return np.unique(np.concatenate([np.zeros(0), *found]))

    def record_kind(self, line: Line) -> Kind:
        """What a line writes: its detector's kind, or what belongs to the law of its channel."""
        kind = self.detectors[line.detector].kind if line.detector >= 0 else None
        return kind or _KINDS[self.channels[line.sources[0][0]].law.name]

    def in_given_basis(self, channel: Channel, operators: Array) -> Array:
        """Operators (..., dim, dim) of the channel, from its basis."""
        return given_from(self.basis_matrix(channel), operators)

    def basis_matrix(self, channel: Channel) -> Any:
        """The columns of the channel's basis in the given basis, (dim, dim), or None for the given basis itself."""
        return channel.basis.columns(self.hamiltonian)

    def __repr__(self) -> str:
        try:
            dim = self.dim
        except AttributeError:
            # A tree whose numbers a transformation has taken out.
            return super().__repr__()
        return "\n".join([f"Equation of dimension {dim}: {_described_channels(self)}", *_described_detectors(self)])

    def _repr_html_(self) -> str:
        from stochq.plotting.notebook import as_html

        return f"<p>$${_FORMULA}$$</p>{as_html(self)}"


def _check_addable(one: Equation, other: Equation) -> None:
    """ValueError unless the channels of both may stand beside each other."""
    if not (same_numbers(one.hamiltonian, other.hamiltonian) and same_numbers(one.hbar, other.hbar)):
        raise ValueError(
            "other: expected an equation on the same Hamiltonian, with the same hbar; got another one. Make both from "
            "one sq.systems object."
        )
    if one.colour is not None or other.colour is not None:
        raise ValueError("other: expected white noise in both; coloured noise is that of one channel alone.")
    if bool(one.detectors) != bool(other.detectors):
        raise ValueError(
            "other: expected detectors in both equations, or in neither, whose records would have other meanings. Give "
            "the operators that nobody watches to sq.models.monitored as sq.measurement.unread(L)."
        )
    if both := {line.name for line in one._lines} & {line.name for line in other._lines}:
        raise ValueError(f"other: expected records of other names; both have {min(both)!r}. Rename one.")


def same_numbers(one: object, other: object) -> bool:
    """Whether two trees hold the same numbers; traced ones, whether they are the same objects."""
    if jax.tree.structure(one) != jax.tree.structure(other):
        return False
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(a is b or (is_concrete((a, b)) and np.array_equal(a, b)) for a, b in pairs)


def _checked_channels(channels: object) -> tuple[Channel, ...]:
    if isinstance(channels, (list, tuple)) and all(isinstance(channel, Channel) for channel in channels):
        return tuple(channels)
    if isinstance(channels, Channel):
        raise ValueError(f"channels: expected a list of channels; got one {type(channels).__name__}. Write [channel].")
    raise ValueError(
        "channels: expected a list of channels such as sq.channels.Projectors(rates); got something else. Jump "
        "operators as matrices are for sq.models.unravel(hamiltonian, [L, ...])."
    )


def _described_channels(equation: Equation) -> str:
    """The channels, and the colour of their noise."""
    kinds = Counter(f"{type(channel).__name__}, {channel.law.name} noise" for channel in equation.channels)
    told = "; ".join(kind if count == 1 else f"{count} × {kind}" for kind, count in kinds.items())
    number = len(equation.channels)
    channels = f"{number} channel{'s' * (number > 1)} ({told})" if number else "no channels"
    colour = f", coloured by {type(equation.colour).__name__}" if equation.colour is not None else ""
    return f"{channels}{colour}"


def _described_detectors(equation: Equation) -> list[str]:
    """A line for each detector that is read, and one for all others."""
    if not equation.detectors:
        return []
    read = [f"  {line.name}: {equation.detectors[line.detector].described()}" for line in equation._lines]
    unread = len(equation.detectors) - len(read)
    return read + [f"  unread: {unread} operator{'s' * (unread > 1)}"] * bool(unread)


def is_left_open(equation: Equation) -> bool:
    """Whether the law of a channel is left to `sq.simulate`, by noise="any"."""
    return any(channel.law == ANY for channel in equation.channels)


def check_law_is_named(equation: Equation) -> None:
    """ValueError where the law of a channel is left open, for what depends on it."""
    if is_left_open(equation):
        raise ValueError(LEFT_OPEN)
