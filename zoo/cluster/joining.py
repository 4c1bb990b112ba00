"""How the workers of a cluster find one another."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from zoo.cluster.detection import Cluster
from zoo.cluster.messages import Channel
from zoo.errors import ConfigError, WorkerError, ZooError

_PATIENCE = 300.0
"""Seconds in which all workers have to come; see `ZOO_JOIN_SECONDS`."""
_SKEW = 10.0
"""Seconds by which the clocks of two workers may differ."""
_ANSWER = 10.0
"""Seconds in which a worker that has come has to say who it is."""


@dataclass(frozen=True)
class Member:
    """A worker as the others know it.

    Attributes:
        index: its number.
        host: the name of its host.
        pid: of its process.
        address: at which the others reach its host.
        port: which was free there, for what training sends.
    """

    index: int
    host: str
    pid: int
    address: str
    port: int

    def __str__(self) -> str:
        return f"worker {self.index} (process {self.pid} on {self.host})"


def join(cluster: Cluster) -> tuple[tuple[Member, ...], dict[int, Channel]]:
    """Wait until all workers are there.

    Returns:
        all workers in order, and the channels from this one to others by their numbers.

    Raises:
        ConfigError: the port is taken, two workers have one number, clocks differ, or what
            listens is not the chief of this cluster.
        WorkerError: not all came in time.
    """
    end = time.monotonic() + float(os.environ.get("ZOO_JOIN_SECONDS") or _PATIENCE)
    return _receive(cluster, end) if cluster.is_chief else _find_chief(cluster, end)


def _receive(cluster: Cluster, end: float) -> tuple[tuple[Member, ...], dict[int, Channel]]:
    """Let all others come to this worker, the chief."""
    members = {0: _own(cluster, cluster.host)}
    channels: list[Channel] = []
    by_index: dict[int, Channel] = {}
    with _listening(cluster) as server:
        try:
            while len(members) < cluster.size:
                channel = _next(server, end, cluster, members)
                hello = _hello(channel)
                if hello is None:
                    continue
                channels.append(channel)
                member = _checked(hello, cluster, members)
                _check_clock(member, channel)
                members[member.index], by_index[member.index] = member, channel
        except ZooError as error:
            _refuse(server, channels, cluster, error)
            raise
    ordered = tuple(members[index] for index in range(cluster.size))
    for channel in channels:
        channel.send("welcome", [asdict(member) for member in ordered])
    return ordered, by_index


def _refuse(
    server: socket.socket, channels: list[Channel], cluster: Cluster, error: ZooError
) -> None:
    """Tell the others why nothing begins, those that come a little later as well."""
    end = time.monotonic() + (0 if isinstance(error, WorkerError) else _ANSWER)
    while len(channels) < cluster.size - 1 and time.monotonic() < end:
        server.settimeout(max(0.01, end - time.monotonic()))
        with contextlib.suppress(OSError):
            channels.append(Channel(server.accept()[0]))
    for channel in channels:
        with contextlib.suppress(OSError):
            channel.send("refused", error.message)
        channel.close()


def _listening(cluster: Cluster) -> socket.socket:
    host = cluster.host if cluster.host in ("127.0.0.1", "localhost") else ""
    try:
        return socket.create_server((host, cluster.port))
    except OSError as error:
        raise ConfigError(
            f"Worker 0 cannot listen on port {cluster.port} of {socket.gethostname()}: "
            f"{error.strerror}.",
            hint="Set ZOO_PORT to a port that is free, the same for all workers.",
        ) from error


def _next(
    server: socket.socket, end: float, cluster: Cluster, members: Mapping[int, Member]
) -> Channel:
    """Return the channel to the next one that comes."""
    server.settimeout(max(0.01, end - time.monotonic()))
    try:
        return Channel(server.accept()[0])
    except TimeoutError:
        missing = ", ".join(str(each) for each in range(cluster.size) if each not in members)
        raise WorkerError(
            f"{len(members)} of {cluster.size} workers have come to {cluster.host}:"
            f"{cluster.port} in time; missing: {missing}.",
            hint="See whether these have started and can reach that address. ZOO_JOIN_SECONDS "
            "sets how long they may take.",
        ) from None


def _hello(channel: Channel) -> Mapping[str, Any] | None:
    """Return what a worker says of itself; None if it is no worker."""
    try:
        message = channel.receive(_ANSWER)
        return {"size": int(message.value["size"]), "member": Member(**message.value["member"])}
    except (OSError, ValueError, TypeError, KeyError):
        channel.close()
        return None


def _checked(hello: Mapping[str, Any], cluster: Cluster, members: Mapping[int, Member]) -> Member:
    member: Member = hello["member"]
    if hello["size"] != cluster.size:
        raise ConfigError(
            f"{str(member).capitalize()} expects {hello['size']} workers, and worker 0 "
            f"{cluster.size}.",
            hint="Start all with the same number.",
        )
    if member.index in members:
        raise ConfigError(
            f"Two are worker {member.index}: {members[member.index]}, and {member}.",
            hint="Give each worker a number of its own.",
        )
    return member


def _check_clock(member: Member, channel: Channel) -> None:
    """Compare a worker's clock with this one, less half of the time that asking takes."""
    asked = time.time()
    channel.send("time")
    theirs = float(channel.receive(_ANSWER).value)
    skew = theirs - (asked + time.time()) / 2
    if abs(skew) > _SKEW:
        raise ConfigError(
            f"The clock of {member} is {abs(skew):,.0f} seconds "
            f"{'ahead of' if skew > 0 else 'behind'} that of worker 0.",
            hint="Set the clocks of all hosts, by NTP for example.",
        )


def _find_chief(cluster: Cluster, end: float) -> tuple[tuple[Member, ...], dict[int, Channel]]:
    """Go to the chief, and wait until it has received all."""
    channel = _connected(cluster, end)
    member = _own(cluster, channel.own_address)
    try:
        channel.send("hello", {"size": cluster.size, "member": asdict(member)})
        message = channel.receive(_ANSWER)
        while message.kind == "time":
            channel.send("time", time.time())
            message = channel.receive(max(0.01, end + _ANSWER - time.monotonic()))
    except (OSError, ValueError) as error:
        channel.close()
        raise WorkerError(
            f"What listens at {cluster.host}:{cluster.port} is no worker 0 that goes on: {error}.",
            hint="See what worker 0 says, and that ZOO_PORT is free on its host.",
        ) from error
    if message.kind == "refused":
        raise WorkerError(f"Worker 0 began nothing: {message.value}")
    return tuple(Member(**each) for each in message.value), {0: channel}


def _connected(cluster: Cluster, end: float) -> Channel:
    address = (cluster.host, cluster.port)
    while True:
        try:
            return Channel(socket.create_connection(address, timeout=_ANSWER))
        except OSError as error:
            if time.monotonic() > end:
                raise WorkerError(
                    f"Worker {cluster.index} cannot reach worker 0 at {cluster.host}:"
                    f"{cluster.port}: {error}.",
                    hint="See whether worker 0 has started, and whether its port is open to "
                    "this host. ZOO_JOIN_SECONDS sets how long it may take.",
                ) from error
            time.sleep(0.25)


def _own(cluster: Cluster, address: str) -> Member:
    return Member(cluster.index, socket.gethostname(), os.getpid(), address, free_port())


def free_port() -> int:
    """Return a port of this host that nobody listens on just now."""
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])
