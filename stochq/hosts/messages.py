"""Messages between the hosts of a run and the first of them, and how each learns that another has ended."""

import selectors
import socket
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar, final

# Seconds after which a machine that does not answer any more counts as gone. A process that ends is known at once.
SILENCE = 30
_HEAD = struct.Struct("<cQ")
_MESSAGE, _FAREWELL = b"m", b"f"
_CHUNK = 1 << 20
_GO_ON = "What a checkpoint holds stays: the same call, or --resume, goes on with it on any number of hosts."
_GONE = "its process is gone, and said nothing"
_Value = TypeVar("_Value")


class HostLost(RuntimeError):
    """Another host has ended before the run has. reason: which, and what it said."""

    def __init__(self, reason: str) -> None:
        self.reason = reason.removesuffix(".")
        super().__init__(f"hosts: {self.reason}. {_GO_ON}")


@final
class Hosts:
    """This process among those that make a run together.

    Args:
        index: which of them it is; the first, 0, is the one that writes files.
        names: of the machines, in order.
        links: on the first host one to each of the others, in order; elsewhere that to the first.
    """

    def __init__(self, index: int, names: Sequence[str], links: Sequence[socket.socket]) -> None:
        self.index, self.names = index, tuple(names)
        others = range(1, len(names)) if index == 0 else [0]
        self._links = dict(zip(others, links, strict=True))
        self._received = {other: bytearray() for other in self._links}
        self._closed = ""
        # A thread of its own never hears an interrupt in the middle of a message.
        self._thread = ThreadPoolExecutor(1)
        for link in links:
            _notice_silence(link)

    @property
    def count(self) -> int:
        return len(self.names)

    @property
    def is_first(self) -> bool:
        return self.index == 0

    def gather(self, message: bytes) -> tuple[list[bytes], bool]:
        """On the first host the messages of all, in order; elsewhere nothing. Second: whether an interrupt came."""
        if self.is_first:
            found, interrupted = self._settled(self._receive)
            return [message, *found], interrupted
        return [], self._settled(lambda: self._send(message))[1]

    def spread(self, message: bytes) -> tuple[bytes, bool]:
        """The first host's message, on all of them. Second: whether an interrupt came."""
        if self.is_first:
            return message, self._settled(lambda: self._send(message))[1]
        found, interrupted = self._settled(self._receive)
        return found[0], interrupted

    def close(self, reason: str) -> None:
        """Tell the others, as far as they still listen, why this host ends."""
        if self._closed:
            return
        self._closed = reason
        for link in self._links.values():
            with suppress(OSError):
                link.settimeout(1.0)
                link.sendall(_HEAD.pack(_FAREWELL, len(reason.encode())) + reason.encode())
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()
        self._thread.shutdown(wait=False)

    def _settled(self, work: Callable[[], _Value]) -> tuple[_Value, bool]:
        if self._closed:
            raise HostLost(f"they have parted: {self._closed}")
        future = self._thread.submit(work)
        try:
            return future.result(), False
        except KeyboardInterrupt:
            return future.result(), True

    def _send(self, message: bytes) -> None:
        for other, link in self._links.items():
            try:
                link.sendall(_HEAD.pack(_MESSAGE, len(message)) + message)
            except OSError as error:
                # What it said last is told, if it did.
                self._receive_from(other)
                self._complete(other)
                raise self._lost(other, _said(error)) from error

    def _receive(self) -> list[bytes]:
        """One message of each of the others, in order."""
        with selectors.DefaultSelector() as ready:
            for other, link in self._links.items():
                ready.register(link, selectors.EVENT_READ, other)
            waiting = {other for other in self._links if self._complete(other) is None}
            while waiting:
                if self._closed:
                    raise HostLost(f"they have parted: {self._closed}")
                for key, _ in ready.select(1.0):
                    self._receive_from(key.data)
                    if key.data in waiting and self._complete(key.data) is not None:
                        waiting.remove(key.data)
        messages = [self._complete(other) or b"" for other in self._links]
        for other in self._links:
            self._forget(other)
        return messages

    def _receive_from(self, other: int) -> None:
        try:
            data = self._links[other].recv(_CHUNK)
        except OSError as error:
            raise self._lost(other, _said(error)) from error
        if not data:
            # What it said before may not have been asked for.
            self._forget(other)
            self._complete(other)
            raise self._lost(other, _GONE)
        self._received[other] += data

    def _forget(self, other: int) -> None:
        """Drop the message that has arrived whole, if one has."""
        message = self._complete(other)
        if message is not None:
            del self._received[other][: _HEAD.size + len(message)]

    def _complete(self, other: int) -> bytes | None:
        """The message that has arrived whole from another host; None if none has. Raises: HostLost for a farewell."""
        received = self._received[other]
        if len(received) < _HEAD.size:
            return None
        kind, length = _HEAD.unpack_from(received)
        if len(received) < _HEAD.size + length:
            return None
        message = bytes(received[_HEAD.size : _HEAD.size + length])
        if kind == _FAREWELL:
            raise self._lost(other, message.decode())
        return message

    def _lost(self, other: int, why: str) -> HostLost:
        return HostLost(f"host {other} of {self.count} ({self.names[other]}) has ended: {why}")


def _said(error: OSError) -> str:
    return _GONE if isinstance(error, ConnectionError) else f"its machine does not answer ({error})"


def _notice_silence(link: socket.socket) -> None:
    """Let the system end a connection to a machine that does not answer any more."""
    link.settimeout(None)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    settings = {
        "TCP_KEEPIDLE": SILENCE // 3,
        "TCP_KEEPINTVL": SILENCE // 6,
        "TCP_KEEPCNT": 4,
        "TCP_USER_TIMEOUT": 1000 * SILENCE,
    }
    for name, value in settings.items():
        # Not every system has them.
        if hasattr(socket, name):
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
