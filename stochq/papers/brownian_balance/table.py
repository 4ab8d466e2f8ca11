"""One row per variant of quantum Brownian motion: its steady state, its entropy production, what it obeys."""

from typing import Any, NamedTuple

import numpy as np

import stochq as sq
from stochq.papers.brownian_balance import setting
from stochq.papers.checks import Check
from stochq.papers.output import Claim, Table

CROSS, SQUEEZING, POSITION_FRICTION = 0.05, 0.1, 0.1
COLUMNS = (
    "variant", "sigma_qq", "sigma_qp", "sigma_pp", "entropy_production", "entropy_flux", "completely_positive",
    "detailed_balance", "reversible_diffusion",
)  # fmt: skip


UNITS = {f"sigma_{name}": unit for name, unit in setting.MOMENTS.items()}
UNITS |= {"entropy_production": "ω", "entropy_flux": "ω"}


class Row(NamedTuple):
    """The columns of one variant."""

    variant: str
    sigma_qq: float
    sigma_qp: float
    sigma_pp: float
    entropy_production: float
    entropy_flux: float
    completely_positive: bool
    detailed_balance: bool
    reversible_diffusion: bool


def dynamics(frequency: float = setting.FREQUENCY, beta: float = setting.BETA, **options: Any) -> sq.gaussian.Dynamics:
    """The paper's oscillator (or free particle, frequency 0) with a variant's options."""
    return sq.gaussian.brownian(setting.MASS, frequency, setting.FRICTION, beta, hbar=setting.HBAR, **options)


def balanced() -> dict[str, float]:
    """The squeezing and the friction in position that restore detailed balance."""
    arguments = (setting.MASS, setting.FREQUENCY, setting.FRICTION, setting.BETA, setting.HBAR)
    return {
        "squeezing": float(sq.gaussian.balancing_squeezing(*arguments)),
        "position_friction": float(sq.gaussian.balancing_position_friction(*arguments)),
    }


def rows() -> list[Row]:
    """All variants at ħ = m = ω = 1, η = .3, β = 2."""
    at = balanced()
    return [
        bound("Caldeira-Leggett", dynamics(position_diffusion=0.0)),
        free("minimal, free", dynamics(0.0)),
        bound("minimal, oscillator", dynamics()),
        free("cross diffusion, free", dynamics(0.0, cross_diffusion=CROSS)),
        bound("cross diffusion, oscillator", dynamics(cross_diffusion=CROSS)),
        bound("squeezing at balance", dynamics(squeezing=at["squeezing"])),
        bound("squeezing off balance", dynamics(squeezing=SQUEEZING)),
        bound("position friction off balance", dynamics(position_friction=POSITION_FRICTION)),
        bound("position friction at balance", dynamics(position_friction=at["position_friction"])),
    ]


def bound(variant: str, model: sq.gaussian.Dynamics) -> Row:
    """A variant with a steady state."""
    steady, balance = model.steady_state(), model.detailed_balance()
    (qq, qp), (_, pp) = steady.covariance.tolist()
    rates = float(model.entropy_production(steady)), float(model.entropy_flux(steady))
    return Row(
        variant,
        qq,
        qp,
        pp,
        *rates,
        bool(model.is_completely_positive()),
        bool(balance),
        not balance.no_reversible_diffusion,
    )


def free(variant: str, model: sq.gaussian.Dynamics) -> Row:
    """A free particle in the limit of long times, where the position is spread over everything: V⁻¹ = diag(0, 1/σ_pp).

    The momentum and its correlation with the position settle, and with W flat in q so do the currents.
    """
    drift, noise = np.asarray(model.drift), np.asarray(model.diffusion)
    pp = -noise[1, 1] / (2 * drift[1, 1])
    qp = (drift[0, 1] * pp + noise[0, 1]) / -drift[1, 1]
    inverse = np.diag([0.0, 1 / pp])
    # Drift and diffusion per W of the irreversible current, then eq. 2 with V⁻¹ on the right.
    current = np.diag(np.diag(drift)) + 0.5 * np.diag(np.diag(noise)) @ inverse
    flow_rate = np.trace(drift) + 0.5 * np.trace(noise @ inverse)
    produced = 0.0 if np.allclose(current, 0, atol=1e-14) else np.inf
    balance = np.allclose(np.diag(np.diag(drift)), -0.5 * noise @ inverse, atol=1e-14)
    odd = bool(noise[0, 1] != 0)
    positive = bool(model.is_completely_positive())
    return Row(variant, np.inf, qp, pp, produced, produced - flow_rate, positive, balance and not odd, odd)


def table_claim(effort: float = 1.0) -> Claim:
    """The variants side by side, checked against closed forms."""
    found = {row.variant: row for row in rows()}
    columns = {name: [getattr(row, name) for row in found.values()] for name in COLUMNS}
    return Claim(Table(columns, UNITS), [*_moments(found), *_rates(found), *_verdicts(found)], None)


def _moments(found: dict[str, Row]) -> list[Check]:
    d, cross = setting.diffusion(setting.BETA), setting.diffusion(setting.BETA, CROSS)
    stiff = (setting.MASS * setting.FREQUENCY) ** 2
    minimal, crossed = found["minimal, oscillator"], found["cross diffusion, oscillator"]
    squeezed = found["squeezing at balance"]
    late = dynamics(0.0, cross_diffusion=CROSS).evolve(sq.gaussian.vacuum(), [0.0, 200.0]).covariance[-1]
    alpha = balanced()["squeezing"]
    hot = dynamics(beta=0.5, cross_diffusion=CROSS).steady_state().covariance
    pairs = [
        ("minimal: sigma_qq, eq. 14", minimal.sigma_qq, 0.63625),
        ("minimal: sigma_qp is -m D_qq (printed: -2m D_qq)", minimal.sigma_qp, -setting.MASS * d.position),
        ("minimal: sigma_pp, eq. 14", minimal.sigma_pp, (stiff * d.position + d.momentum) / setting.FRICTION),
        ("cross diffusion: sigma_qp", crossed.sigma_qp, -setting.MASS * cross.position),
        ("alpha_DB, eq. 18", alpha, -0.06),
        (
            "squeezing at balance: sigma_qq is -D_qq/alpha (printed: its inverse)",
            squeezed.sigma_qq,
            -d.position / alpha,
        ),
        (
            "squeezing at balance: sigma_pp is D_pp/(eta + alpha)",
            squeezed.sigma_pp,
            d.momentum / (setting.FRICTION + alpha),
        ),
        ("free, late: sigma_pp is m/beta", late[1, 1], setting.MASS / setting.BETA),
        ("free, late: sigma_qp of the table", late[0, 1], found["cross diffusion, free"].sigma_qp),
        ("position friction at balance: sigma_pp is m/beta", found["position friction at balance"].sigma_pp, 0.5),
    ]
    checks = [Check(name, float(value), reference, setting.ROUNDING) for name, value, reference in pairs]
    for name, value, reference in zip(
        ("qq", "qp", "pp"), (hot[0, 0], hot[0, 1], hot[1, 1]), (2.149201, -0.013542, 2.045139), strict=True
    ):
        checks.append(Check(f"cross diffusion, beta = 0.5: sigma_{name}", float(value), reference, 5e-7))
    return checks


def _rates(found: dict[str, Row]) -> list[Check]:
    hot = dynamics(beta=0.5, cross_diffusion=CROSS)
    rate = float(hot.entropy_production(hot.steady_state()))
    exact = setting.exact_production(setting.BETA)
    return [
        Check(
            "minimal: production is eta (beta hbar omega)^2/16",
            found["minimal, oscillator"].entropy_production,
            exact,
            1e-12,
        ),
        Check("minimal: flux equals production", found["minimal, oscillator"].entropy_flux, exact, 1e-12),
        Check("cross diffusion, beta = 0.5: production", rate, 0.00646273, 5e-9),
        Check("Caldeira-Leggett: production", found["Caldeira-Leggett"].entropy_production, 0.0, 1e-14),
        _dying("minimal, free", 0.0),
        _dying("cross diffusion, free", CROSS),
    ]


def _dying(variant: str, cross: float) -> Check:
    r"""Late production of a free particle times time: $\Pi t\to(D_{qq}+\eta^2\sigma_{qp}^2/D_{pp})/2D$, with the
    spread of the position growing as 2Dt, D = D_qq + σ_qp/m, and corrections of order 1/t."""
    time = 1e6
    model = dynamics(0.0, cross_diffusion=cross)
    state = model.evolve(sq.gaussian.vacuum(), [0.0, time])[-1]
    d = setting.diffusion(setting.BETA, cross)
    qp = (d.momentum / (setting.MASS * setting.FRICTION) + 2 * cross) / setting.FRICTION
    spread = d.position + qp / setting.MASS
    limit = (d.position + setting.FRICTION**2 * qp**2 / d.momentum) / (2 * spread)
    produced = float(model.entropy_production(state)) * time
    return Check(f"{variant}: late production times time", produced, limit, 1e-4 * limit)


# Completely positive, detailed balance: what the paper states of each that has a steady state.
_STATED = {
    "Caldeira-Leggett": (False, True),
    "minimal, oscillator": (True, False),
    "cross diffusion, oscillator": (True, False),
    "squeezing at balance": (True, True),
    "squeezing off balance": (True, False),
    "position friction off balance": (True, False),
    "position friction at balance": (True, True),
}


def _verdicts(found: dict[str, Row]) -> list[Check]:
    names = ("completely_positive", "detailed_balance")
    return [
        Check(f"{variant}: {name.replace('_', ' ')}", float(getattr(found[variant], name)), float(stated), 0.0)
        for variant, verdicts in _STATED.items()
        for name, stated in zip(names, verdicts, strict=True)
    ]
