"""Several processes, on one machine or many, that make one run together."""

from stochq.hosts.join import joined, leave
from stochq.hosts.launched import join, join_launched
from stochq.hosts.messages import HostLost, Hosts

__all__ = ["HostLost", "Hosts", "join", "join_launched", "joined", "leave"]
