"""Gradients of means of functions that jump: by likelihood ratios, or refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import expm
from scipy.stats import norm

import stochq as sq
from stochq.ensemble.events import _is_stepwise
from stochq.noise import seed_words
from stochq.noise.counter import draw_step

STILL = sq.systems.levels([0.0, 0.0])
UPPER, LEVEL, TIME, RATE = 0.4, 0.9, 0.8, 0.7
PSI = np.sqrt([1 - UPPER, UPPER])
# By how much the logarithm of the odds of the upper level must rise.
RISE = np.log(LEVEL / (1 - LEVEL)) - np.log(UPPER / (1 - UPPER))


def _above(psi):
    return jnp.where(jnp.abs(psi[1]) ** 2 > LEVEL, 1.0, 0.0)


def _upper(psi):
    return jnp.abs(psi[1]) ** 2


def _turned(psi):
    return (jnp.abs(jnp.angle(psi[1] * psi[0].conj())) > 1.0).astype(psi.real.dtype)


def _suv(noise):
    return lambda rate: sq.models.suv(STILL, strength=rate, noise=noise)


def _one_level(rate):
    return sq.Equation(STILL, [sq.channels.Projectors(jnp.stack([0 * rate, rate]))])


def _both(rate):
    """The odds' logarithm rises by 2(φ₁ − φ₀), and φ has mean 2γt at the level that is drawn, variance γt at both."""
    mean, spread = 4 * rate * TIME, np.sqrt(8 * rate * TIME)
    return UPPER * norm.sf((RISE - mean) / spread) + (1 - UPPER) * norm.sf((RISE + mean) / spread)


def _single(rate):
    """By 2φ₁ − 2γt."""
    mean, spread = 2 * rate * TIME, np.sqrt(4 * rate * TIME)
    return UPPER * norm.sf((RISE - mean) / spread) + (1 - UPPER) * norm.sf((RISE + mean) / spread)


def _phase(rate):
    """The phases of both levels have variance γt each."""
    spread = np.sqrt(2 * rate * TIME)
    return sum(
        2 * (norm.cdf((k + 1) * 2 * np.pi - 1, scale=spread) - norm.cdf(k * 2 * np.pi + 1, scale=spread))
        for k in (0, 1)
    )


def _spin(rate):
    """σ_z/√2, whose κ differs from that of both projectors by a constant."""
    return sq.models.unravel(STILL, [np.sqrt(0.5) * np.array([1.0, -1.0])], rates=[rate])


CASES = {
    "an operator": (_spin, _above, 0.4, _both),
    "real": (_suv("real"), _above, 0.2, _both),
    "complex": (_suv("complex"), _above, 0.4, lambda rate: _both(rate / 2)),
    "unitary": (_suv("unitary"), _turned, 0.4, _phase),
    "a level without noise": (_one_level, _above, 0.4, _single),
}


@pytest.mark.release
@pytest.mark.parametrize("case", CASES)
def test_derivatives_of_chances_are_those_of_closed_forms(case):
    equation, event, dt, chance = CASES[case]

    def mean(rate, seed):
        run = {"observables": {"event": event}, "trajectories": 2**14, "dt": dt, "seed": seed}
        return sq.expectations(equation(rate), PSI, [0.0, TIME], gradient="likelihood-ratio", **run)["event"][-1]

    found = np.array([jax.value_and_grad(lambda rate, seed=seed: mean(rate, seed))(RATE) for seed in range(6)])
    known = [chance(RATE), (chance(RATE + 1e-5) - chance(RATE - 1e-5)) / 2e-5]
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - known) < 6 * error)
    assert error[1] < 0.1 * abs(known[1])


@pytest.mark.release
def test_smooth_means_between_steps_of_a_hamiltonian():
    """P(upper level) of a driven qubit, by the exponential of its generator; jacfwd takes the same derivative."""
    hamiltonian, dim = np.array([[0.0, 0.8], [0.8, 0.5]]), np.eye(2)

    def population(rate):
        generator = -1j * (np.kron(hamiltonian, dim) - np.kron(dim, hamiltonian.T))
        projectors = [np.diag(row) for row in dim]
        generator = generator + rate * sum(
            np.kron(p, p) - 0.5 * (np.kron(p, dim) + np.kron(dim, p)) for p in projectors
        )
        return (expm(TIME * generator) @ np.outer(PSI, PSI).ravel())[3].real

    def mean(rate, seed):
        equation = sq.models.suv(sq.systems.levels(hamiltonian), strength=rate)
        run = {"observables": {"p": np.array([0.0, 1.0])}, "trajectories": 2**14, "dt": 0.1, "seed": seed}
        return sq.expectations(equation, PSI, [0.0, TIME], gradient="likelihood-ratio", **run)["p"][-1]

    found = np.array([jax.grad(lambda rate, seed=seed: mean(rate, seed))(RATE) for seed in range(6)])
    known = (population(RATE + 1e-5) - population(RATE - 1e-5)) / 2e-5
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert abs(found.mean() - known) < 6 * error < abs(known)
    forward = jax.jacfwd(lambda rate: mean(rate, 0))(RATE)
    np.testing.assert_allclose(forward, found[0], rtol=1e-3)


def _derivatives(chance, point):
    """Of a function of a vector, by differences."""
    return np.array([(chance(point + step) - chance(point - step)) / 2e-5 for step in 1e-5 * np.eye(len(point))])


def _judged(mean, point, chance, seeds=6):
    """Value and derivatives of means (parameters, seed) against those of a closed form."""
    found = [
        jax.value_and_grad(lambda theta, seed=seed: mean(theta, seed))(jnp.asarray(point)) for seed in range(seeds)
    ]
    found = np.array([[value, *slopes] for value, slopes in found])
    error = found.std(axis=0, ddof=1) / np.sqrt(seeds)
    known = np.array([chance(point), *_derivatives(chance, point)])
    assert np.all(np.abs(found.mean(axis=0) - known) < 6 * error)
    assert np.all(error[1:] < 0.3 * np.abs(known[1:]))


def _likelier(start, kernel, rate, first, second, factor=1.0):
    """The chance that level `first` is likelier than `second` by a factor: their exponents differ by a normal number
    given the level that is drawn. kernel: κ/rate."""
    own = kernel[first, first] + kernel[second, second] - 2 * kernel[first, second]
    ahead = 2 * (kernel[first] - kernel[second]) - (kernel[first, first] - kernel[second, second])
    needed = 0.5 * np.log(factor * start[second] / start[first])
    return start @ norm.sf((needed - rate * TIME * ahead) / np.sqrt(rate * TIME * own))


@pytest.mark.release
def test_operators_whose_squares_are_a_constant_and_a_projector():
    """σ_z of two sites and a projector on three levels, at one rate."""
    matrix, start = np.array([[1.0, 1.0, -1.0], [1.0, -1.0, 1.0], [0.0, 0.0, 0.7]]), np.array([0.5, 0.3, 0.2])
    still = sq.systems.levels(np.zeros(3))

    watched = {"f": lambda psi: jnp.where(jnp.abs(psi[2]) > 3 * jnp.abs(psi[0]), 1.0, 0.0)}

    def mean(theta, seed):
        equation = sq.Equation(still, [sq.channels.Features(matrix, theta[0])])
        run = {"observables": watched, "trajectories": 2**14, "dt": 0.4, "seed": seed}
        return sq.expectations(equation, np.sqrt(start), [0.0, TIME], gradient="likelihood-ratio", **run)["f"][-1]

    _judged(mean, np.array([RATE]), lambda theta: _likelier(start, matrix.T @ matrix, theta[0], 2, 0, 9.0))


@pytest.mark.release
def test_rate_and_length_of_localization_on_a_grid():
    """Whether a heavy particle is more likely at one point than at another, of two packets."""
    points, box = 16, 16.0
    particle = sq.systems.particle(points, box, 1e9, None)
    places = np.arange(points)
    start = (np.exp(-((places - 7.0) ** 2) / 4.5) + 0.6 * np.exp(-((places - 9.0) ** 2) / 4.5)) ** 2
    start = start / start.sum()

    def kernel(length):
        apart = places[:, None] - places[None]
        images = sum(np.exp(-((apart + box * k) ** 2) / (4 * length**2)) for k in range(-2, 3))
        return images / images[0, 0]

    watched = {"f": lambda psi: jnp.where(jnp.abs(psi[9]) > jnp.abs(psi[7]), 1.0, 0.0)}

    def mean(theta, seed):
        equation = sq.models.csl(particle, rate=theta[0], length=theta[1], reference_mass=1e9)
        run = {"observables": watched, "trajectories": 2**16, "dt": TIME, "seed": seed}
        return sq.expectations(equation, np.sqrt(start), [0.0, TIME], gradient="likelihood-ratio", **run)["f"][-1]

    _judged(mean, np.array([0.3, 1.2]), lambda theta: _likelier(start, kernel(theta[1]), theta[0], 9, 7))


HELD = {
    "projectors": lambda rate: sq.channels.Projectors(rate * jnp.array([1.0, 0.5, 0.3, 0.8])),
    "operators": lambda rate: sq.channels.Features([[1.0, 1.0, -1.0, -1.0], [0.0, 0.0, 0.7, 0.0]], rate),
    "a kernel": lambda rate: sq.channels.Kernel(np.array([1.0, 0.4, 0.1, 0.4]), rate),
}


@pytest.mark.parametrize("name, law", [(name, "real") for name in HELD] + [("a kernel", "complex")])
@pytest.mark.sweep(2)
def test_a_step_of_any_length_has_a_score_without_a_mean(name, law):
    """Passages, whose scores stop, need it of every step."""
    channel = HELD[name](RATE)
    law = channel.with_law(law).law
    trajectories = jnp.arange(2**14, dtype=jnp.uint32)
    budget = channel.held().flow(law).budget
    noise = draw_step(jnp.asarray(seed_words(1)), trajectories, jnp.int32(0), budget, np.dtype(np.float32))
    psi = jnp.broadcast_to(jnp.sqrt(jnp.array([0.1, 0.2, 0.3, 0.4]))[:, None], (4, 2**14)).astype(jnp.complex64)

    def likelihood(rate):
        step = HELD[name](rate).held().flow(law).step(jnp.float32(0), jnp.float32(TIME), psi, noise, None, False)
        return jnp.sum(jnp.abs(step[0]) ** 2, axis=0)

    value, score = jax.jit(lambda rate: jax.jvp(likelihood, (rate,), (jnp.ones_like(rate),)))(jnp.float32(RATE))
    score = np.asarray(score, np.float64)
    np.testing.assert_allclose(value, 1.0, rtol=1e-5)
    assert abs(score.mean()) < 4 * score.std() / 2**7 and score.std() > 0.5 / RATE


@pytest.mark.parametrize("level", [LEVEL, 0.99])
def test_first_passages_against_a_walk_of_the_odds(level):
    """Two times: of a normal walk with drift ±4γ and variance 8γ, given the level that is drawn in the end."""
    half, rise = TIME / 2, np.log(level / (1 - level)) - np.log(UPPER / (1 - UPPER))

    def chance(theta):
        spread, total = np.sqrt(8 * theta[0] * half), 0.0
        for share, drift in ((UPPER, 4 * theta[0] * half), (1 - UPPER, -4 * theta[0] * half)):
            edge = (rise - drift) / spread
            later = quad(lambda x: norm.pdf(x) * norm.sf(edge - x - drift / spread), -9, edge, epsabs=1e-12)[0]  # noqa: B023
            total += share * (norm.sf(edge) + later)
        return total

    passed = {"passed": sq.FirstPassage(_upper, level), "p": np.array([0.0, 1.0])}

    def mean(theta, seed):
        run = {"observables": passed, "trajectories": 2**14, "dt": half, "seed": seed}
        equation = sq.models.suv(STILL, strength=theta[0])
        found = sq.expectations(equation, PSI, [0.0, half, TIME], gradient="likelihood-ratio", **run)
        return found["passed"][-1]

    _judged(mean, np.array([RATE]), chance)
    run = {"observables": passed, "trajectories": 3000, "dt": half, "seed": 3}
    equation, times = sq.models.suv(STILL, strength=RATE), [0.0, half, TIME]
    fraction = sq.simulate(equation, PSI, times, **run).statistics["passed"]
    found = sq.expectations(equation, PSI, times, gradient="likelihood-ratio", **run)["passed"]
    np.testing.assert_allclose(found, fraction, atol=1e-6)


def test_squares_of_positions_are_refused():
    """A step of QMUPL moves the state along x, another rate along x² too."""
    particle = sq.systems.particle(16, 8.0, 1.0, None)
    run = {"observables": {"f": lambda psi: jnp.abs(psi[3]) > 0.5}, "trajectories": 8, "dt": 0.4}
    start = sq.normalize(np.exp(-((np.arange(16) - 8) ** 2) / 5.0))

    def mean(rate):
        equation = sq.models.qmupl(particle, rate=rate)
        return sq.expectations(equation, start, [0.0, TIME], gradient="likelihood-ratio", **run)["f"][-1]

    with pytest.raises(ValueError, match="^gradient: .* as x² is none of x"):
        jax.grad(mean)(RATE)


def test_values_are_those_of_simulate():
    run = {"observables": {"event": _above}, "trajectories": 3000, "dt": 0.4, "seed": 3}
    mean = sq.expectations(_suv("real")(RATE), PSI, [0.0, TIME], gradient="likelihood-ratio", **run)["event"]
    np.testing.assert_allclose(mean, sq.simulate(_suv("real")(RATE), PSI, [0.0, TIME], **run).mean["event"], atol=1e-6)


STEPWISE = {
    "indicator": _above,
    "a truth value": lambda psi: jnp.abs(psi[0]) > 0.5,
    "rounded": lambda psi: jnp.floor(3 * jnp.abs(psi[0])),
    "most likely": lambda psi: jnp.argmax(jnp.abs(psi)),
    "a bin": lambda psi: jax.nn.one_hot(jnp.digitize(jnp.abs(psi[0]) ** 2, jnp.linspace(0, 1, 5)), 6)[2],
}
SMOOTH = {
    "flat at most states": lambda psi: jax.nn.relu(jnp.abs(psi[0]) ** 2 - 0.9),
    "smooth within a window": lambda psi: jnp.where(jnp.abs(psi[0]) > 0.5, jnp.abs(psi[1]) ** 2, 0.0),
    "a constant": lambda psi: jnp.float32(1.0),
}


@pytest.mark.parametrize("name", STEPWISE | SMOOTH)
def test_functions_that_are_constant_but_for_jumps_are_known(name):
    assert _is_stepwise((STEPWISE | SMOOTH)[name], 2) == (name in STEPWISE)


@pytest.mark.parametrize("transform", [jax.grad, jax.jacfwd, lambda mean: jax.jit(jax.grad(mean))])
def test_no_pathwise_gradient_passes_a_jump(transform):
    def mean(rate):
        run = {"observables": {"event": _above}, "trajectories": 32, "dt": 0.4}
        return sq.expectations(_suv("real")(rate), PSI, [0.0, TIME], **run)["event"][-1]

    assert 0 <= jax.jit(mean)(RATE) <= 1
    with pytest.raises(
        ValueError, match=r"^observables\['event'\]: expected a function that changes .* smooth function"
    ):
        transform(mean)(RATE)


def test_the_step_of_a_first_passage_is_given_in_a_run_too():
    passed = {"passed": sq.FirstPassage(_upper, LEVEL)}
    with pytest.raises(ValueError, match="^dt: expected a number with the first passage 'passed', whose bias"):
        sq.simulate(_suv("real")(RATE), PSI, [0.0, TIME], observables=passed, trajectories=32)
    # Jumps have no step.
    run = sq.simulate(_suv("jump")(RATE), PSI, [0.0, TIME], observables=passed, trajectories=32)
    assert 0 <= run.statistics["passed"][-1] <= 1


REFUSED = {
    "a word": (
        _suv("real"),
        {"gradient": "score"},
        r"^gradient: expected 'pathwise' or 'likelihood-ratio'; got 'score'",
    ),
    "scheme": (
        _suv("real"),
        {"scheme": sq.schemes.EulerMaruyama()},
        r"^scheme: expected None or sq.schemes.Strang\(\)",
    ),
    "trajectories": (_suv("real"), {"trajectories": 1}, "^trajectories: expected at least 2"),
    "exact": (_suv("real"), {"trajectories": None}, "^trajectories: expected a number beside .* gradient"),
    "no density": (
        lambda rate: sq.models.oqt(STILL, strength=rate, equilibrium=[0.7, 0.3]),
        {},
        "^gradient: 'likelihood-ratio' needs steps of which the probability density is known.*of Separable do not",
    ),
    "traced operators": (
        lambda rate: sq.Equation(STILL, [sq.channels.Features(rate * jnp.array([[1.0, -1.0]]))]),
        {},
        r"^gradient: .* Trace the rate of sq.channels.Features\(matrix, rate\) alone",
    ),
    "a passage along paths": (
        _suv("real"),
        {"observables": {"event": sq.FirstPassage(_upper, LEVEL)}, "gradient": "pathwise"},
        r"^observables\['event'\]: expected gradient='likelihood-ratio' with a first passage",
    ),
    "a passage without a step": (
        _suv("real"),
        {"observables": {"event": sq.FirstPassage(_upper, LEVEL)}, "dt": None},
        "^dt: expected a number with the first passage 'event'",
    ),
    "coloured noise": (
        lambda rate: sq.models.suv(STILL, strength=rate, noise="unitary", colour=sq.noise.OrnsteinUhlenbeck(0.5)),
        {},
        "^gradient: expected 'pathwise' with coloured noise",
    ),
    "clicks": (_suv("jump"), {}, "^gradient: .*; noise='jump' and counters draw the times of clicks.* noise='real'"),
    "a moving state": (
        lambda rate: sq.models.suv(sq.systems.levels(rate * jnp.array([0.0, 1.0])), strength=1.0),
        {},
        "^gradient: 'likelihood-ratio' follows the rates of collapse alone; got a traced hamiltonian",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_likelihood_ratio_is_refused(name):
    equation, options, message = REFUSED[name]
    run = {"observables": {"event": _above}, "trajectories": 32, "dt": 0.4, "gradient": "likelihood-ratio"} | options

    with pytest.raises(ValueError, match=message):
        jax.grad(lambda rate: sq.expectations(equation(rate), PSI, [0.0, TIME], **run)["event"][-1])(RATE)
