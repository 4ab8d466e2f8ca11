"""The hosts that make one run together, and what they have to be agreed on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

import jax

from stochq import hosts
from stochq.accelerators import chosen_platform
from stochq.ensemble.checkpoint.content import packed, tree_of
from stochq.ensemble.fingerprint import PARTS


@final
class Team:
    """The hosts of one call of `simulate`.

    identity: what the call has to have in common on all of them, by name.
    """

    def __init__(self, members: hosts.Hosts, identity: Mapping[str, Any]) -> None:
        self._members, self._identity = members, dict(identity)

    @property
    def index(self) -> int:
        return self._members.index

    @property
    def count(self) -> int:
        return self._members.count

    @property
    def names(self) -> tuple[str, ...]:
        return self._members.names

    @property
    def is_first(self) -> bool:
        return self._members.is_first

    def gather(self, content: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
        """On the first host what all have to tell, in order. Second: whether an interrupt came."""
        messages, interrupted = self._members.gather(packed(content, "hosts"))
        return [tree_of(message, "a message") for message in messages], interrupted

    def spread(self, content: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """What the first host tells, on all of them. Second: whether an interrupt came."""
        message, interrupted = self._members.spread(packed(content, "hosts") if self.is_first else b"")
        return content if self.is_first else tree_of(message, "a message"), interrupted

    def agree(self, **values: Any) -> bool:
        """Whether an interrupt came while hosts compare values. Raises: ValueError, on the first host, where one has
        others."""
        told, early = self.gather({"identity": {**self._identity, **values}})
        for index, content in enumerate(told):
            _check_same(told[0]["identity"], content["identity"], f"host {index} of {self.count} ({self.names[index]})")
        return self.spread({})[1] or early


def _check_same(first: dict[str, Any], other: dict[str, Any], who: str) -> None:
    names = [name for name in {**first, **other} if first.get(name) != other.get(name)]
    if names:
        told = "; ".join(f"{PARTS.get(name, name)} {other.get(name)}, on the first {first.get(name)}" for name in names)
        raise ValueError(
            f"hosts: expected the same call on every one of them; on {who} it differs in {told}. A step that is left "
            "open is measured on each: give dt where they are of different kinds. Runs that have nothing to do with "
            "each other are started by `stochq run --alone`."
        )


@contextmanager
def together(**identity: Any) -> Iterator[Team | None]:
    """The hosts of a call while it lasts; None for a process alone. Where the call ends by an error, all of them part.

    identity: what has to be the same on all of them.
    """
    members = hosts.joined()
    if members is None:
        yield None
        return
    import stochq

    identity |= {"stochq": stochq.__version__, "jax": jax.__version__, "platform": chosen_platform()}
    try:
        yield Team(members, identity)
    except BaseException as error:
        hosts.leave(error.reason if isinstance(error, hosts.HostLost) else str(error) or type(error).__name__)
        raise
