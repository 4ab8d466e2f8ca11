"""Recover the strengths of reduction and thermalization of a spin chain from noisy ensemble means.

    python scripts/examples/fit-sui-chain.py [PICTURE.png]

The data are means of 2000 trajectories, as an experiment would give them. The prediction is the ensemble's kernel as
a function of the two strengths, on four times as many trajectories and another seed. Its gradient passes through
extrapolated Euler-Maruyama steps: the exact collapse flow draws a discrete index, through which none can pass.
"""

import sys

import jax.numpy as jnp
import numpy as np

import stochq as sq

TRUE = {"reduction": 0.6, "thermalization": 0.35}
chain = sq.systems.ising(4, coupling=1.0, transverse=0.9, longitudinal=0.4)
psi0 = np.eye(chain.dim)[0]
equilibrium = sq.canonical(chain, beta=0.5)
times = np.linspace(0.0, 4.0, 9)
watched = {name: np.asarray(chain.operators[name]) for name in ("magnetization", "transverse", "energy")}


def equation(reduction, thermalization):
    return sq.models.sui(chain, reduction=reduction, thermalization=thermalization, equilibrium=equilibrium)


data = sq.simulate(equation(**TRUE), psi0, times, observables=watched, trajectories=2000, seed=1)


def predict(logarithms):
    """Means as a function of the logarithms of the strengths, which keeps both positive."""
    model = equation(*(jnp.exp(logarithms[name]) for name in TRUE))
    return sq.expectations(model, psi0, times, observables=watched, trajectories=8000, seed=2, dt=0.1)


fit = sq.fit(predict, data, {"reduction": np.log(0.3), "thermalization": np.log(0.7)})
print(fit)
for name, error in zip(fit.names, np.sqrt(np.diag(fit.covariance)), strict=True):
    value = float(np.exp(fit.parameters[name]))
    print(f"{name}: {value:.4f} ± {value * error:.4f}, true {TRUE[name]}")

if len(sys.argv) > 1:
    from matplotlib.figure import Figure

    from stochq.plotting import style

    with style():
        figure = Figure(figsize=(9, 3), layout="constrained")
        fitted = predict(fit.parameters)
        for axes, name in zip(figure.subplots(1, 3), watched, strict=True):
            axes.errorbar(times, data.mean[name], 2 * data.stderr[name], fmt="o", label="data ± 2 standard errors")
            axes.plot(times, fitted[name], label="fit")
            axes.set(xlabel=r"time $t$", ylabel=name)
        figure.axes[0].legend()
        figure.savefig(sys.argv[1])
    print(f"Picture: {sys.argv[1]}")
