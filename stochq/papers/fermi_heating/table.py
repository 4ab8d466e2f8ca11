"""Table I: what bodies radiate per mass, and the collapse rate that would heat them as much."""

import stochq as sq
from stochq.papers.checks import Check
from stochq.papers.output import PURE, Claim, Table

# W/kg and 1/(s m²) as printed.
PRINTED = {
    "Mercury": (4.74e-7, 1.57e8),
    "Venus": (1.40e-8, 4.62e6),
    "Earth": (2.00e-8, 6.60e6),
    "Moon": (1.55e-7, 5.12e7),
    "Mars": (2.45e-8, 8.10e6),
    "Jupiter": (2.76e-10, 9.14e4),
    "Saturn": (1.94e-10, 6.40e4),
    "Uranus": (6.03e-11, 2.00e4),
    "Neptune": (1.99e-11, 6.57e3),
    "Pluto": (1.50e-10, 4.98e4),
    "Sun": (1.90e-4, 6.29e10),
    "neutron star": (2.85e-7, 9.43e7),
    "neutron star, as printed": (2.85e-7, 9.43e7),
}
# The paper rounds Stefan's constant, W m⁻² K⁻⁴.
STEFAN = 5.6e-8
TOLERANCE = 0.005
UNITS = {
    "power_per_mass": "W/kg",
    "lambda_over_rc2": "1/(s m²)",
    "paper_lambda_over_rc2": "1/(s m²)",
    "relative_difference": PURE,
    "paper_power_per_mass": "W/kg",
    "power_relative_difference": PURE,
    "temperature": "K",
}
# The temperature that the paper states does not give the number that it prints: T⁴ of 2.8e5 K over 3.0e5 K.
STATED = (2.8 / 3.0) ** 4


def _inconsistent() -> float:
    """How far λ/r_C² of the printed P/M is from the printed one, in units of what three digits leave open in both."""
    worst = 0.0
    for power, rate in PRINTED.values():
        difference = float(sq.bounds.rate_from_power(power, 1.0)) / rate - 1
        worst = max(worst, abs(difference) / (_rounding(power) + _rounding(rate)))
    return worst


def _rounding(number: float) -> float:
    """Half a unit of the third digit, relative."""
    return 5e-3 / float(f"{number:.2e}".split("e")[0])


def table1(effort: float = 1.0) -> Claim:
    """P/M by eq. 16 from masses, radii and temperatures, λ/r_C² by eq. 17 with m0 = 1 u; two neutron stars."""
    bodies = sq.bounds.bodies()
    powers = {name: body.power_per_mass(STEFAN) for name, body in bodies.items()}
    rates = {name: sq.bounds.rate_from_power(power, 1.0) for name, power in powers.items()}
    planets = [name for name in PRINTED if "neutron star" not in name]
    checks = [
        Check(f"{name}: P/M over the printed", powers[name] / PRINTED[name][0], 1.0, TOLERANCE) for name in planets
    ]
    # P/M goes as T⁴: which temperature gives the printed number.
    star = bodies["neutron star"]
    needed = star.temperature * (PRINTED["neutron star"][0] / powers["neutron star"]) ** 0.25
    checks += [
        Check("neutron star: temperature of the printed P/M in K (stated: 2.8e5)", needed, 3.0e5, 5e3),
        Check("eq. 17: printed λ/r_C² and P/M, largest difference in roundings", _inconsistent(), 0.0, 1.0),
    ]
    printed = [PRINTED[name] for name in bodies]
    columns = {
        "body": list(bodies),
        "power_per_mass": list(powers.values()),
        "lambda_over_rc2": list(rates.values()),
        "paper_lambda_over_rc2": [rate for _, rate in printed],
        "relative_difference": [rates[name] / rate - 1 for name, (_, rate) in zip(bodies, printed, strict=True)],
        "paper_power_per_mass": [power for power, _ in printed],
        "power_relative_difference": [
            powers[name] / power - 1 for name, (power, _) in zip(bodies, printed, strict=True)
        ],
        "temperature": [body.temperature for body in bodies.values()],
    }
    return Claim(Table(columns, UNITS), checks, None)
