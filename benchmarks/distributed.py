"""Runs over several devices and several hosts: weak and strong scaling here, what passes between hosts, and N nodes."""

import os
import socket
import subprocess
import sys
from statistics import median
from typing import Any

from benchmarks import machine, report
from benchmarks.children import told
from benchmarks.results import ROOT, save
from benchmarks.targets import check

LARGEST_COST = 1.1
TRAJECTORIES, REPEATS = 2**16, 5
# Of the projection: seconds of a round, bytes per second into the first host, and how many nodes.
ROUND_SECONDS, BANDWIDTH, NODES = 30.0, 1.25e9, (1, 10, 100, 1000)
# Parts of a message are at most twice the binary digits of the number of blocks that they are of: of a million here.
MOST_PARTS = 40
# What memory may grow by from a million trajectories on, MiB.
LARGEST_GROWTH_MIB = 64.0


def distributed(long: bool, trajectories: int) -> dict[str, Any]:
    """Measure, print and write benchmarks/results/distributed.json; long: a qubit's run alone, to distributed_long."""
    where = machine.describe()
    print(report.heading(where), flush=True)
    return _long(where, trajectories) if long else _scaling(where)


def _scaling(where: dict[str, Any]) -> dict[str, Any]:
    over_devices = _devices()
    print(_device_table(over_devices), flush=True)
    hosts = [_hosts(*row) for row in ((1, 1, 1), (1, 2, 1), (2, 1, 1), (2, 1, 2), (3, 2, 1))]
    messages = next(row["messages"] for row in hosts if row["messages"])
    nodes = [_projected(row, count) for row in messages for count in NODES]
    found = [check("two virtual devices over one that uses both cores", over_devices[0]["ratio"], LARGEST_COST, False)]
    print(_host_table(hosts), _message_table(messages), _node_table(nodes), sep="\n\n")
    checks = [entry._asdict() for entry in found]
    print("\n".join(report.verdicts([{"title": "devices", "checks": checks}])))
    results = {"machine": where, "devices": over_devices, "hosts": _without_messages(hosts), "messages": messages}
    results |= {"projected": nodes, "checks": checks}
    save(results, "distributed")
    return results


def _devices() -> list[dict[str, Any]]:
    """Time over several virtual devices relative to that over one, the median of runs made in turn."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    line = "distributed-devices", "suv-8", str(TRAJECTORIES), str(REPEATS)
    seconds = _told([_begun(line, {"XLA_FLAGS": flags})])["seconds"]
    ratios = {
        count: [a / b for a, b in zip(seconds[count], seconds["1"], strict=True)] for count in seconds if count != "1"
    }
    return [
        {
            "devices": int(count),
            "ratio": median(found),
            "low": min(found),
            "high": max(found),
            "seconds": seconds[count],
        }
        for count, found in ratios.items()
    ]


def _hosts(count: int, cores: int, times_as_many: int) -> dict[str, Any]:
    """Seconds of a run by so many processes, each of them on so many cores."""
    with socket.create_server(("", 0)) as server:
        port = str(server.getsockname()[1])
    trajectories = TRAJECTORIES * times_as_many
    started = [
        _begun(("distributed-member", f"{index}/{count}", port, str(trajectories), str(cores), str(REPEATS)))
        for index in range(count)
    ]
    found = _told(started)
    return {
        "processes": count,
        "cores_each": cores,
        "trajectories": trajectories,
        "seconds": min(found["seconds"]),
        "median_seconds": median(found["seconds"]),
        "messages": found["messages"],
    }


def _begun(line: tuple[str, ...], settings: dict[str, str] | None = None) -> "subprocess.Popen[str]":
    environment = os.environ | (settings or {})
    command = [sys.executable, "-m", "benchmarks", *line]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def _told(started: list["subprocess.Popen[str]"]) -> dict[str, Any]:
    """What the first of these processes tells when all have ended."""
    outputs = [process.communicate()[0] for process in started]
    found = told(outputs[0])
    if found is None or any(process.returncode for process in started):
        raise SystemExit(f"{started[0].args}: a process failed.")
    return found


def _projected(row: dict[str, Any], count: int) -> dict[str, Any]:
    """What share of a round N nodes compute: the first host takes in their messages one after another, and all wait for
    the call that ends last."""
    longer = max(1.0, MOST_PARTS / row["parts"])
    taking_in = count * longer * (row["largest_bytes"] / BANDWIDTH + row["merge_seconds"])
    lost = row["longest_call_seconds"] + (taking_in if count > 1 else 0.0)
    efficiency = ROUND_SECONDS / (ROUND_SECONDS + lost)
    return {"problem": row["problem"], "nodes": count, "taking_in_seconds": taking_in, "efficiency": efficiency}


def _long(where: dict[str, Any], trajectories: int) -> dict[str, Any]:
    found = _told([_begun(("distributed-long-run", str(trajectories)))])
    print(
        f"{found['trajectories']:.3g} trajectories of a qubit, {found['steps']} steps, with its density matrix and a "
        f"checkpoint: {found['seconds']:.1f} s ({found['processor_seconds']:.1f} s of a processor); memory "
        f"{found['peak_mib']:.0f} MiB, {found['few_mib']:.0f} MiB after {found['few']:.3g}"
    )
    growth = check(
        "memory beyond that of a million, MiB", found["peak_mib"] - found["few_mib"], LARGEST_GROWTH_MIB, False
    )
    right = check("largest |z|", found["largest_z"], 4.0, False)
    checks = [growth._asdict(), right._asdict()]
    print("\n".join(report.verdicts([{"title": "long run", "checks": checks}])))
    results = {"machine": where, "run": found, "checks": checks}
    save(results, "distributed_long")
    return results


def _without_messages(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "messages"} for row in rows]


def _device_table(rows: list[dict[str, Any]]) -> str:
    cells = [[f"{row['devices']}", f"{row['ratio']:.3f} ({row['low']:.3f} to {row['high']:.3f})"] for row in rows]
    return report.table(("virtual devices", "time over that of one, which uses all cores"), cells)


def _host_table(rows: list[dict[str, Any]]) -> str:
    first = rows[0]
    rate = first["trajectories"] / first["seconds"]
    cells = [
        [
            f"{row['processes']} x {row['cores_each']}",
            f"{row['trajectories']}",
            f"{row['seconds']:.3f}",
            f"{row['trajectories'] / row['seconds'] / rate:.2f}",
        ]
        for row in rows
    ]
    return report.table(("processes x cores", "trajectories", "seconds", "times the rate of 1 x 1"), cells)


def _message_table(rows: list[dict[str, Any]]) -> str:
    cells = [
        [
            row["problem"],
            f"{row['messages']}",
            f"{row['parts']}",
            f"{row['largest_bytes'] / 1000:.1f}",
            f"{1000 * row['merge_seconds']:.2f}",
            f"{1000 * row['longest_call_seconds']:.0f}",
        ]
        for row in rows
    ]
    return report.table(
        ("a host's messages", "of a run", "parts", "largest, kB", "taken in, ms", "longest call, ms"), cells
    )


def _node_table(rows: list[dict[str, Any]]) -> str:
    cells = [
        [f"{row['problem']}", f"{row['nodes']}", f"{row['taking_in_seconds']:.3f}", f"{100 * row['efficiency']:.1f} %"]
        for row in rows
    ]
    headers = ("projected", "nodes", "taken in after a round, s", f"computing, of rounds of {ROUND_SECONDS:.0f} s")
    return report.table(headers, cells)
