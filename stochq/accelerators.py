"""Whether programs are made for an accelerator, whose blocks and loops are others than those of a processor."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax

# The answer that a test forces, in all threads; None leaves it to JAX.
_forced: bool | None = None


def on_accelerator() -> bool:
    """Whether JAX computes on something else than a processor."""
    if _forced is not None:
        return _forced
    # A device, or the name of a platform.
    chosen = jax.config.jax_default_device
    platform = jax.default_backend() if chosen is None else getattr(chosen, "platform", chosen)
    return platform != "cpu"


@contextmanager
def forced(answer: bool) -> Iterator[None]:
    """Make programs as for an accelerator, or as for a processor, wherever they run: a test of the other branch.

    What `jax.jit` has traced already stays as it is.
    """
    global _forced
    before, _forced = _forced, answer
    try:
        yield
    finally:
        _forced = before
