"""What hosts tell each other, and what they hear of one that has ended."""

import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from stochq.hosts import HostLost, Hosts

NAMES = ["alpha", "beta", "gamma"]


@pytest.fixture
def hosts():
    """Three of them, in this process."""
    with socket.create_server(("localhost", 0)) as server:
        far = [socket.create_connection(server.getsockname()) for _ in NAMES[1:]]
        near = [server.accept()[0] for _ in NAMES[1:]]
    made = [Hosts(0, NAMES, near), *(Hosts(index + 1, NAMES, [link]) for index, link in enumerate(far))]
    yield made
    for host in made:
        host.close("the test has ended")


def at_once(*calls):
    """What calls give that wait for each other; errors as values."""

    def settled(call):
        try:
            return call()
        except HostLost as error:
            return str(error)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(settled, calls))


def test_messages_arrive_whole_and_in_order(hosts):
    first, *others = hosts
    long = os.urandom(5_000_001)
    for message in (b"", b"x", long):
        told = at_once(*(partial(host.gather, message + b"%d" % host.index) for host in hosts))
        assert told[0] == ([message + b"0", message + b"1", message + b"2"], False) and told[1:] == [([], False)] * 2
        heard = at_once(partial(first.spread, message), *(partial(host.spread, b"") for host in others))
        assert heard == [(message, False)] * 3


def test_who_ends_says_why_and_silence_is_noticed(hosts):
    first, second, third = hosts
    second.close("no room left")
    told = at_once(lambda: first.gather(b""), lambda: third.gather(b""))
    assert told[0].startswith("hosts: host 1 of 3 (beta) has ended: no room left. What a checkpoint holds stays")
    first.close("host 1 of 3 (beta) has ended: no room left")
    heard = at_once(lambda: third.spread(b""))[0]
    assert heard.startswith("hosts: host 0 of 3 (alpha) has ended: host 1 of 3 (beta) has ended: no room left. What a")
    with pytest.raises(HostLost, match="^hosts: they have parted: host 1"):
        first.spread(b"")


def test_last_words_are_heard_behind_a_message_that_nobody_asked_for(hosts):
    first, second, third = hosts
    assert second.gather(b"early") == ([], False)
    second.close("then I fell")
    told = at_once(lambda: first.gather(b""))[0]
    assert told.startswith("hosts: host 1 of 3 (beta) has ended: then I fell.")
    first.close("beta fell")
    assert "host 0 of 3 (alpha) has ended: beta fell" in at_once(lambda: third.gather(b"") and third.spread(b""))[0]


def test_a_process_that_is_gone_is_noticed_whoever_it_is(hosts):
    first, second, third = hosts
    for link in third._links.values():
        link.shutdown(socket.SHUT_RDWR)
    told = at_once(lambda: first.gather(b""), lambda: second.gather(b"said"))
    assert told[0].startswith("hosts: host 2 of 3 (gamma) has ended: its process is gone, and said nothing.")
    for link in first._links.values():
        link.shutdown(socket.SHUT_RDWR)
    assert at_once(lambda: second.spread(b""))[0].startswith(
        "hosts: host 0 of 3 (alpha) has ended: its process is gone"
    )


def test_an_interrupt_loses_no_message(hosts):
    first, second, third = hosts
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    later = threading.Timer(0.6, lambda: at_once(lambda: second.gather(b"b"), lambda: third.gather(b"c")))
    timer.start()
    later.start()
    assert first.gather(b"a") == ([b"a", b"b", b"c"], True)
    later.join()
