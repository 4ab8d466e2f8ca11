"""Hosts find each other by `jax.distributed`; from then on each has connections of its own with the first.

JAX's service between processes ends them with an abort where one is lost; connections end with a sentence. Its
addresses and its store of keys, by which hosts find each other, JAX tells in private names alone.
"""

import secrets
import socket
import time
from typing import Any

import jax

from stochq.hosts.messages import Hosts

# Seconds within which all hosts have to come.
PATIENCE = 300
_HELLO, _TOKEN = 5.0, 32
_KEY = "stochq/hosts"
_joined: Hosts | None = None


def _state() -> Any:
    """What JAX knows of the processes: its client for the store of keys, how many there are, and which this is."""
    try:
        from jax._src.distributed import global_state
    except ImportError as error:
        raise RuntimeError(
            f"hosts: expected a JAX that tells by what its processes found each other; version {jax.__version__} does "
            "not. Take an older one, or run on one host."
        ) from error
    return global_state


def joined() -> Hosts | None:
    """This process among those that make runs together; None for one alone.

    It is one of them once `join` was called, or `jax.distributed.initialize`.
    """
    global _joined
    if _joined is None and jax.distributed.is_initialized() and _state().num_processes > 1:
        _joined = _connected()
    return _joined


def leave(reason: str) -> None:
    """Part from the others, and tell them why."""
    if _joined is not None:
        _joined.close(reason)


def join(
    coordinator: str | None = None, count: int | None = None, index: int | None = None, method: str | None = None
) -> Hosts | None:
    """Find the other hosts and connect with the first. JAX itself computes on this one's devices alone.

    Args:
        coordinator: address and port of the first host; None leaves it, and what else is None, to JAX, which knows
            SLURM, Open MPI and Kubernetes.
        count: how many hosts there are.
        index: which of them this is, from 0.
        method: how JAX finds out, as its `cluster_detection_method`.

    Returns:
        this host among them; None where it is alone.

    Raises:
        RuntimeError: where not all come within five minutes.
    """
    global _joined
    # Its handler of SIGTERM would stand in the way of ours.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            coordinator, count, index, cluster_detection_method=method, initialization_timeout=PATIENCE
        )
    except jax.errors.JaxRuntimeError as error:
        expected = f"{count or 'all'} of them to come to {coordinator or 'the first'} within {PATIENCE} s"
        raise RuntimeError(f"hosts: expected {expected}; got: {error}") from error
    try:
        _joined = _connected() if _state().num_processes > 1 else None
    finally:
        jax.distributed.shutdown()
        # For JAX this process is alone again.
        state = _state()
        state.process_id, state.num_processes = 0, 1
    return _joined


def _client() -> Any:
    return _state().client


def _connected() -> Hosts:
    state = _state()
    index, count = state.process_id, state.num_processes
    if index == 0:
        return _first(count)
    found = _client().blocking_key_value_get_bytes(_KEY, 1000 * PATIENCE)
    port, token = int.from_bytes(found[:2], "little"), found[2:]
    address = str(state.coordinator_address).rsplit(":", 1)[0].strip("[]")
    try:
        link = socket.create_connection((address, port), PATIENCE)
        name = socket.gethostname().encode()
        link.sendall(token + index.to_bytes(4, "little") + len(name).to_bytes(4, "little") + name)
        length = int.from_bytes(_exactly(link, 4), "little")
        names = _exactly(link, length).decode().split("\n")
    except OSError as error:
        raise RuntimeError(
            f"hosts: host {index} of {count} cannot connect with the first one, {address}:{port}: {error}. Machines of "
            "a run need open ports between each other."
        ) from error
    return Hosts(index, names, [link])


def _first(count: int) -> Hosts:
    """Wait for the others, and tell all of them their names."""
    token = secrets.token_bytes(_TOKEN)
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server(("", 0), family=family, backlog=count, dualstack_ipv6=both) as server:
        port = server.getsockname()[1]
        _client().key_value_set_bytes(_KEY, port.to_bytes(2, "little") + token)
        links, names, until = {}, {0: socket.gethostname()}, time.monotonic() + PATIENCE
        while len(links) < count - 1:
            server.settimeout(max(until - time.monotonic(), 0.001))
            try:
                link = server.accept()[0]
            except TimeoutError:
                missing = sorted(set(range(1, count)) - set(links))
                raise RuntimeError(f"hosts: hosts {missing} of {count} did not connect within {PATIENCE} s.") from None
            if (greeting := _greeting(link, token)) is not None:
                links[greeting[0]], names[greeting[0]] = link, greeting[1]
    ordered = [links[index] for index in range(1, count)]
    told = "\n".join(names[index] for index in range(count)).encode()
    for link in ordered:
        link.sendall(len(told).to_bytes(4, "little") + told)
    return Hosts(0, [names[index] for index in range(count)], ordered)


def _greeting(link: socket.socket, token: bytes) -> tuple[int, str] | None:
    """Index and name of a host that knows the token; None for a stranger."""
    link.settimeout(_HELLO)
    try:
        if secrets.compare_digest(_exactly(link, _TOKEN), token):
            index, length = (int.from_bytes(_exactly(link, 4), "little") for _ in range(2))
            return index, _exactly(link, length).decode()
    except OSError:
        pass
    link.close()
    return None


def _exactly(link: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        data = link.recv(count - len(received))
        if not data:
            raise ConnectionError("the other side has ended")
        received += data
    return bytes(received)
