"""What suits the devices of a run: how many trajectories stand side by side, how long a call is, and what fits."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from stochq.accelerators import chosen_platform, host_memory, on_accelerator
from stochq.aliases import Device
from stochq.compiling import Program
from stochq.systems.checks import check_count

# Between these lie an accelerator's blocks, of so many numbers: fewer columns leave it idle, more gain nothing.
SMALLEST_BLOCK, _LARGEST_BLOCK, _NUMBERS = 2**10, 2**17, 2**24
# States that a step holds at least: the old, the new, their noise and a product with the Hamiltonian.
_STATES = 4
_GIBIBYTE = 2**30


class Limits(NamedTuple):
    """work: amplitude-steps after which a call should return, so that progress shows and an interrupt is heard.
    remembered: bytes of states above which a gradient makes blocks again. every_step: bytes of states up to which it
    remembers those of all steps. log: bytes for the clicks of a block."""

    work: int
    remembered: int
    every_step: int
    log: int


ON_PROCESSORS = Limits(2**26, 2**28, 2**25, 2**29)
ON_ACCELERATORS = Limits(2**33, 2**33, 2**30, 2**32)


def block_size(dim: int, smallest: int = 1, trajectories: int | None = None) -> int:
    """Trajectories per block: what fits the second-level cache of a core, one where its state alone does not; of an
    accelerator what fills it, but no more than are asked for, up to a power of two.

    It follows from the task alone and changes no trajectory.

    Args:
        dim: numbers that one of them carries.
        smallest: what the scheme needs on a processor to outweigh the cost of starting its many short operations.
        trajectories: how many are asked for; None for any number.
    """
    if not on_accelerator():
        most = 5 if dim <= 2**12 else int(np.clip(17 - np.ceil(np.log2(dim)), 0, 5))
        return max(smallest, int(2 ** np.clip(np.round(np.log2(2**14 / dim)), most, 10)))
    asked = _LARGEST_BLOCK if trajectories is None else 1 << (trajectories - 1).bit_length()
    return max(SMALLEST_BLOCK, min(_widest(dim), asked))


def _widest(numbers: int) -> int:
    """Columns of so many numbers that fill an accelerator."""
    return min(int(2 ** np.round(np.log2(_NUMBERS / numbers))), _LARGEST_BLOCK)


def records_per_call(numbers: int, most: int, records: int) -> int:
    """Records that one call follows, of so many numbers each: on a processor at most `most`."""
    return min(records, max(most, _widest(numbers)) if on_accelerator() else most)


def limits() -> Limits:
    """Those of a processor or of an accelerator."""
    return ON_ACCELERATORS if on_accelerator() else ON_PROCESSORS


def check_devices(devices: Any) -> tuple[Device, ...] | None:
    """The devices of a run: "all" local ones, the first so many, or a list; None for the one that JAX takes."""
    if devices is None:
        return None
    platform = chosen_platform()
    there = tuple(jax.local_devices(backend=platform))
    if isinstance(devices, str) and devices == "all":
        return there
    if isinstance(devices, (list, tuple)):
        return _checked_list(devices, there, platform)
    if isinstance(devices, (str, jax.Device)):
        raise ValueError(f"devices: expected 'all', a whole number, or a list of JAX's devices; got {devices!r}.")
    count = check_count("devices", devices, 1)
    if count > len(there):
        raise ValueError(
            f"devices: expected at most {len(there)}, as many as JAX sees here ({platform}); got {count}. Take fewer; "
            "`stochq devices` lists them."
        )
    # One alone is left to JAX, which may have been told of another than the first.
    return None if count == 1 else there[:count]


def _checked_list(devices: Sequence[Device], there: tuple[Device, ...], platform: str) -> tuple[Device, ...]:
    strangers = [device for device in devices if device not in there]
    if strangers or not devices or len(set(devices)) < len(devices):
        raise ValueError(
            f"devices: expected different ones of the local devices on which JAX computes ({platform}): "
            f"{', '.join(map(str, there))}; got [{', '.join(map(str, devices))}]. Take them from jax.local_devices(), "
            "and another platform by jax.default_device."
        )
    return tuple(devices)


def memory_of(device: Device | None) -> int | None:
    """Bytes that programs of a device, or of the one that JAX takes, may take; None where they are the host's."""
    return ((device or default_device()).memory_stats() or {}).get("bytes_limit")


def default_device() -> Device:
    """The one on which JAX computes where none is named."""
    chosen = jax.config.jax_default_device
    return chosen if isinstance(chosen, jax.Device) else jax.local_devices(backend=chosen_platform())[0]


def calls_at_once(program: Program, device: Device | None, most: int) -> int:
    """How many calls the device has memory for beside each other, up to so many; one where `check_memory` passed."""
    limit = memory_of(device)
    if limit is None:
        return most
    shared, each = program.memory
    return int(np.clip((limit - shared) // max(each, 1), 1, most))


def check_states_fit(block: int, size: int, device: Device | None) -> None:
    """ValueError for a block of states that the host has no memory for, before anything is compiled."""
    limit, needed = host_memory(), _STATES * 8 * block * size
    if memory_of(device) is None and limit is not None and needed > limit:
        raise ValueError(
            f"psi0: expected states that fit in memory; {block} of {size} amplitudes and what a step makes of them "
            f"take at least {needed:.3g} bytes of {limit:.3g}. Take a smaller system, or a smaller batch."
        )


def check_memory(program: Program, block: int, device: Device | None) -> None:
    """ValueError for a device call of a block of so many trajectories that the device has no memory for, or the host
    whose processor is to make it."""
    limit = memory_of(device) or host_memory()
    if limit is None or (needed := sum(program.memory)) <= limit:
        return
    fit = block * limit // needed
    advice = "Take fewer saved times, observables or records"
    if fit >= SMALLEST_BLOCK:
        most = 1 << (fit.bit_length() - 1)
        advice = f"Run at most {most} at a time, with seeds of their own, and merge the results; or t{advice[1:]}"
    raise ValueError(
        f"trajectories: expected blocks that the device has memory for; one of {block} takes "
        f"{needed / _GIBIBYTE:.3g} GiB of {limit / _GIBIBYTE:.3g}, in which {fit} fit. {advice}."
    )
