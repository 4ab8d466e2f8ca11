"""How hosts find each other hangs on names that JAX keeps to itself: here it is seen when they go."""

import importlib
import sys

import jax
import pytest

from stochq.hosts.join import _state


def test_jax_still_has_the_names_by_which_hosts_find_each_other():
    state = _state()
    for name in ("client", "process_id", "num_processes", "coordinator_address"):
        assert hasattr(state, name), name
    assert (state.process_id, state.num_processes) == (0, 1)
    assert "jax_enable_preemption_service" in jax.config.values
    client = importlib.import_module("jax._src.lib")._jax.DistributedRuntimeClient
    for name in ("blocking_key_value_get_bytes", "key_value_set_bytes"):
        assert callable(getattr(client, name)), name


def test_a_jax_without_them_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax._src.distributed", None)
    with pytest.raises(RuntimeError, match=f"^hosts: expected a JAX that tells.*{jax.__version__} does not"):
        _state()
