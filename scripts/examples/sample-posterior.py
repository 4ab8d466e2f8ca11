"""What is known of a driven qubit from fifty homodyne records, by sampling its posterior with NUTS.

The likelihood of records is a JAX function, so a sampler that takes gradients can have it as it is: here the No-U-Turn
sampler of blackjax (Hoffman and Gelman, JMLR 15, 1593 (2014)), in coordinates in which a fit's errors are 1 and
uncorrelated. Its intervals are set beside those of the fit. The priors are the same for both. Takes some twenty seconds
on two cores. Run:

    pip install 'stochq[bayes]'
    python scripts/examples/sample-posterior.py
"""

import jax
import jax.numpy as jnp
import numpy as np

import stochq as sq

TIMES = np.linspace(0.0, 10.0, 101)
TRUTH = {"rabi": 3.0, "detuning": 1.0, "log_decay": 0.0, "efficiency": 0.8}
START = {"rabi": 2.5, "detuning": 0.7, "log_decay": -0.5, "efficiency": 0.6}
PRIORS = {"rabi": (2.5, 1.0), "detuning": (0.5, 1.0), "log_decay": (0.0, 1.0)}  # the efficiency is flat from 0 to 1
GROUND = np.array([1.0, 0.0])
LOWERING = np.array([[0.0, 1.0], [0.0, 0.0]])
SIGMA_X, EXCITED = LOWERING + LOWERING.T, np.diag([0.0, 1.0])


def model(parameters):
    """The monitored equation and the initial state. The quadrature between the two of σ₋ tells all four apart."""
    hamiltonian = 0.5 * parameters["rabi"] * SIGMA_X + parameters["detuning"] * EXCITED
    lowering = jnp.exp(0.5 * parameters["log_decay"]) * LOWERING
    watched = sq.measurement.homodyne(lowering, phase=-np.pi / 4, efficiency=parameters["efficiency"])
    return sq.models.monitored(hamiltonian, {"current": watched}), GROUND


def measure(records=50, seed=2):
    return sq.inference.sample_records(*model(TRUTH), TIMES, records=records, seed=seed)


def fitted(record):
    return sq.fit(model, record, START, bounds={"efficiency": (0.0, 1.0)}, priors=PRIORS, intervals="profile")


def posterior(record, fit):
    """The logarithm of the posterior as a function of u (4,), and the parameters at u."""
    names = list(fit.names)
    place = names.index("efficiency")
    centre = np.array([fit.parameters[name] for name in names])
    scale = np.ones(len(names))
    scale[place] = 1 / (centre[place] * (1 - centre[place]))  # of the logit
    centre[place] = np.log(centre[place] / (1 - centre[place]))
    root = np.linalg.cholesky(fit.covariance * np.outer(scale, scale))

    def parameters(u):
        values = dict(zip(names, centre + root @ u, strict=True))
        return values | {"efficiency": jax.nn.sigmoid(values["efficiency"])}

    def log_density(u):
        at = parameters(u)
        prior = sum(-0.5 * ((at[name] - mean) / error) ** 2 for name, (mean, error) in PRIORS.items())
        # dη = η(1 − η) d(logit η): flat in the efficiency itself.
        flat = jnp.log(at["efficiency"]) + jnp.log1p(-at["efficiency"])
        return sq.inference.log_likelihood(*model(at), record) + prior + flat

    return log_density, parameters


def sample(record, fit, draws=500, warm_up=100, seed=0):
    """Draws {name: (draws,)} of the parameters, and the least effective number of draws."""
    import blackjax
    from blackjax.diagnostics import effective_sample_size

    with jax.enable_x64(True):
        log_density, parameters = posterior(record, fit)
        first, second = jax.random.split(jax.random.key(seed))
        adapted, _ = blackjax.window_adaptation(blackjax.nuts, log_density).run(first, jnp.zeros(4), num_steps=warm_up)
        kernel = blackjax.nuts(log_density, **adapted.parameters)
        _, states = jax.lax.scan(lambda state, key: (kernel.step(key, state)[0],) * 2, adapted.state,
                                 jax.random.split(second, draws))  # fmt: skip
        drawn = jax.device_get(jax.vmap(parameters)(states.position))
        effective = min(float(effective_sample_size(values[None])) for values in drawn.values())
    return drawn, effective


def report(fit, drawn, effective):
    print(f"500 draws, worth {effective:.0f} independent ones of each parameter", end="\n\n")
    low, high = fit.intervals(0.95)
    print("parameter    posterior        95 %             fit              95 %             truth")
    for name, truth in TRUTH.items():
        values = drawn[name]
        ends = np.quantile(values, [0.025, 0.975])
        told = f"{values.mean():6.3f} ± {values.std():.3f}   {ends[0]:5.2f} to {ends[1]:5.2f}"
        known = f"{fit.parameters[name]:6.3f} ± {fit.stderr[name]:.3f}   {low[name]:5.2f} to {high[name]:5.2f}"
        print(f"{name:<11} {told}   {known}   {truth:5.2f}")


if __name__ == "__main__":
    data = measure()
    found = fitted(data)
    report(found, *sample(data, found))
