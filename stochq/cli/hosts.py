"""`stochq run` on several hosts: how they find each other, and what those do that write nothing."""

import re
from pathlib import Path

from stochq import hosts
from stochq.cli.build import build, unit_note
from stochq.cli.config import load_config
from stochq.cli.errors import ConfigError, located, report
from stochq.cli.going_on import terminated_as_interrupted
from stochq.cli.run import INTERRUPTED, Asked, simulate_job


def joined_run(coordinator: str | None, process: str | None, alone: bool) -> bool:
    """Join the other hosts, if there are any. Returns: whether another one is the first, which writes the result.

    Args:
        coordinator: address and port of the first one; None where a launcher tells.
        process: which this is, as "0/3".
        alone: whether there are none, whatever the launcher tells.

    Raises:
        ConfigError: for options that do not fit together, else as `stochq.hosts.join_launched`.
    """
    by_hand = coordinator is not None or process is not None
    if alone and by_hand:
        raise ConfigError(report("run", "--alone", "no --coordinator and no --process beside it", "both"))
    if alone:
        return False
    members = _by_hand(coordinator, process) if by_hand else hosts.join_launched()
    return members is not None and not members.is_first


def _by_hand(coordinator: str | None, process: str | None) -> hosts.Hosts | None:
    if coordinator is None or not re.fullmatch(r"\S+:\d+", coordinator):
        expected = "the address of the first host and a free port there, such as node1:7777"
        raise ConfigError(report("run", "--coordinator", expected, str(coordinator)))
    parts = re.fullmatch(r"(\d+)/(\d+)", process or "")
    if parts is None or not int(parts[1]) < int(parts[2]):
        expected = "which of how many hosts this is, from 0: 0/3, 1/3 or 2/3 of three"
        raise ConfigError(report("run", "--process", expected, str(process)))
    return hosts.join(coordinator, int(parts[2]), int(parts[1]), "deactivate")


def take_part(path: Path, asked: Asked) -> int:
    """Simulate a configuration together with the first host, which prints and writes.

    Returns:
        The exit code: 0, or 130 after an interruption.

    Raises:
        ConfigError: as `stochq.cli.run.run_config`.
    """
    config = load_config(path, asked.settings, asked.sets)
    with located(str(path), {"run": config.run}, unit_note(config)), terminated_as_interrupted():
        job = build(config, str(path))
        result = simulate_job(job, config, None, asked.devices)
    return INTERRUPTED if result.info["interrupted"] else 0
