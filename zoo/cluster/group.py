"""The workers of a run as they know one another: what they share, and who is lost.

Worker 0, the chief, listens; all others hold one connection to it. Over these go what workers
have to agree on, what they measured of their shares, and signs of life. What training itself
sends between devices is TensorFlow's or JAX' own business.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.cluster.detection import Cluster
from zoo.cluster.joining import Member, join
from zoo.cluster.messages import Channel, Message, pack, unpack
from zoo.errors import ConfigError, WorkerError, ZooError, first_line

_SILENCE = 60.0
"""Seconds without a sign of life after which a worker is lost; see `ZOO_WORKER_SECONDS`."""
_GRACE = 5.0
"""Seconds in which a process may end by itself once a worker is lost."""
_SHOWN = 5
"""Differences between workers that a message names."""


@dataclass
class _Peer:
    """Another worker as this one knows it."""

    member: Member
    channel: Channel
    waiting: queue.Queue[Message | None]
    seen: float
    step: int = 0
    has_left: bool = False


class Group:
    """The workers of a run; one that is alone is a group as well.

    All workers call the methods that exchange something in the same order.

    Args:
        cluster: which workers there are; None for a process on its own.
        members: all workers in order.
        channels: to the other workers that this one is connected to, by their numbers.
    """

    def __init__(
        self,
        cluster: Cluster | None = None,
        members: tuple[Member, ...] = (),
        channels: Mapping[int, Channel] | None = None,
    ) -> None:
        self.cluster = cluster
        self.members = members
        self.when_asked_to_stop: Callable[[], None] = lambda: None
        """Called at the chief when a worker was told to stop."""
        self.when_lost: Callable[[], None] = lambda: None
        """Called before a process is ended by force, because a worker is lost."""
        self._step = 0
        self._lost: str | None = None
        self._failing = threading.Lock()
        self._over = threading.Event()
        self._silence = float(os.environ.get("ZOO_WORKER_SECONDS") or _SILENCE)
        now = time.monotonic()
        self._peers = {
            index: _Peer(members[index], channel, queue.Queue(), now)
            for index, channel in (channels or {}).items()
        }
        for index in self._peers:
            self._start(self._listen, index)
            self._start(self._give_signs, index)
        if self._peers:
            self._start(self._watch)

    @property
    def size(self) -> int:
        """How many workers there are."""
        return self.cluster.size if self.cluster else 1

    @property
    def index(self) -> int:
        """The number of this worker."""
        return self.cluster.index if self.cluster else 0

    @property
    def is_chief(self) -> bool:
        """Whether this is the worker that writes."""
        return self.index == 0

    def gather(self, value: Any) -> list[Any]:
        """Return what all workers give, in their order.

        Args:
            value: JSON and arrays, in dicts and lists.

        Raises:
            WorkerError: a worker is lost.
        """
        if self.size == 1:
            return [value]
        own = pack(value)
        if not self.is_chief:
            self._send(0, body=own)
            return [unpack(part) for part in _cut(self._take(0))]
        parts = [own, *(self._take(index).body for index in sorted(self._peers))]
        lengths, body = [len(part) for part in parts], b"".join(parts)
        for index in self._peers:
            self._send(index, lengths, body)
        return [unpack(part) for part in parts]

    def from_chief(self, make: Callable[[], Any]) -> Any:
        """Return what `make` returns at the chief, where alone it is called.

        Raises:
            WorkerError: a worker is lost.
        """
        if self.size == 1:
            return make()
        if not self.is_chief:
            return unpack(self._take(0).body)
        value = make()
        body = pack(value)
        for index in self._peers:
            self._send(index, body=body)
        return value

    def agree(self, values: Mapping[str, Any], hint: str) -> None:
        """Make sure that all workers have the same.

        Args:
            values: what each has, by names that a message may show.
            hint: what to do if they differ.

        Raises:
            ConfigError: they differ; it says in what, and which workers.
            WorkerError: a worker is lost.
        """
        found = self.gather({name: str(value) for name, value in values.items()})
        differences = []
        for index, other in enumerate(found):
            for name in sorted({*found[0], *other}):
                ours, theirs = found[0].get(name, "not there"), other.get(name, "not there")
                if ours != theirs:
                    differences.append(
                        f"{name} is {ours} for {self.members[0]}, "
                        f"and {theirs} for {self.members[index]}"
                    )
        if differences:
            # Nobody leaves before all know, or who did not would only hear that another failed.
            with contextlib.suppress(WorkerError):
                self.gather(None)
            more = len(differences) - _SHOWN
            rest = [f"and {more} more"] if more > 0 else []
            lines = "\n".join([*differences[:_SHOWN], *rest])
            raise ConfigError(f"The workers do not agree:\n{lines}.", hint=hint)

    def ask_to_stop(self) -> None:
        """Ask the chief to end the run; it writes a checkpoint first."""
        with contextlib.suppress(OSError):
            self._peers[0].channel.send("stop")

    def done(self, step: int) -> None:
        """Note that a step of training is done, of which this worker's signs of life tell.

        Raises:
            WorkerError: a worker is lost.
        """
        self._step = step
        self.check()

    def check(self) -> None:
        """Raise `WorkerError` if a worker is lost."""
        if self._lost is not None:
            raise self.error()

    def error(self) -> WorkerError:
        """Return what says which worker is lost."""
        return WorkerError(str(self._lost), hint=_GO_ON)

    def has_lost(self, seconds: float = _GRACE) -> bool:
        """Return whether a worker is lost, or is within so many seconds.

        What fails in one process because another has died may fail before that is known.
        """
        end = time.monotonic() + seconds
        while self._peers and self._lost is None and time.monotonic() < end:
            time.sleep(0.05)
        return self._lost is not None

    def leave(self) -> None:
        """Wait until all workers are done, and end the connections."""
        if self._peers:
            self.gather(None)
        self._tell_and_close("left")

    def fail(self, reason: str) -> None:
        """End the connections, and with them the other workers, who are told the reason."""
        if self._lost is not None:
            self._tell_and_close("lost", self._lost)
        else:
            self._tell_and_close("failed", reason)

    def _tell_and_close(self, kind: str, value: str = "") -> None:
        self._over.set()
        for peer in self._peers.values():
            with contextlib.suppress(OSError):
                peer.channel.send(kind, value)
            peer.channel.close()

    # What goes on beside the run

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _listen(self, index: int) -> None:
        peer = self._peers[index]
        while True:
            try:
                message = peer.channel.receive()
            except (OSError, ValueError):
                if not (peer.has_left or self._over.is_set()):
                    self._lose(f"{peer.member} ended without a word, {_after(peer.step)}.")
                return
            peer.seen = time.monotonic()
            if message.kind == "alive":
                peer.step = int(message.value)
            elif message.kind == "left":
                peer.has_left = True
            elif message.kind == "stop":
                self.when_asked_to_stop()
            elif message.kind == "failed":
                self._lose(f"{peer.member} {message.value}, {_after(peer.step)}.")
            elif message.kind == "lost":
                self._lose(str(message.value))
            else:
                peer.waiting.put(message)

    def _give_signs(self, index: int) -> None:
        peer = self._peers[index]
        while not self._over.wait(min(1.0, self._silence / 4)):
            with contextlib.suppress(OSError):
                peer.channel.send("alive", self._step)

    def _watch(self) -> None:
        while not self._over.wait(0.25):
            for peer in self._peers.values():
                silent = time.monotonic() - peer.seen
                if silent > self._silence and not peer.has_left:
                    self._lose(
                        f"{peer.member} has given no sign of life for {silent:.0f} seconds, "
                        f"{_after(peer.step)}: it hangs, or its host or the network is down."
                    )

    def _lose(self, verdict: str) -> None:
        """Record that a worker is lost, tell the others, and see that this process ends."""
        with self._failing:
            if self._lost is not None or self._over.is_set():
                return
            self._lost = verdict
        for peer in self._peers.values():
            peer.waiting.put(None)
            if self.is_chief:
                self._start(self._pass_on, peer, verdict)
        self._start(self._end_by_force)

    def _pass_on(self, peer: _Peer, verdict: str) -> None:
        with contextlib.suppress(OSError):
            peer.channel.send("lost", verdict)

    def _end_by_force(self) -> None:
        """End a process that waits for a lost worker where nothing else can wake it."""
        if self._over.wait(_GRACE):
            return
        with contextlib.suppress(Exception):
            self.when_lost()
        print(f"error: {self.error()}", file=sys.stderr, flush=True)
        os._exit(WorkerError.exit_code)

    def _take(self, index: int) -> Message:
        message = self._peers[index].waiting.get()
        if message is None:
            self.check()
        assert message is not None
        return message

    def _send(self, index: int, value: Any = None, body: bytes = b"") -> None:
        try:
            self._peers[index].channel.send("part", value, body)
        except OSError as error:
            self.has_lost()
            self.check()
            raise WorkerError(f"{self._peers[index].member} cannot be reached: {error}.") from error


_GO_ON = "Go on with `zoo train --resume RUN`, with as many workers as you like."


def _after(step: int) -> str:
    return f"after step {step}" if step else "before the first step"


def _what_became(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "was stopped"
    if isinstance(error, ZooError):
        return f"failed ({error.message.rstrip('.')})"
    return f"failed ({type(error).__name__}: {first_line(error)[:200].rstrip('.')})"


def _cut(message: Message) -> Iterator[bytes]:
    start = 0
    for length in message.value:
        yield message.body[start : start + length]
        start += length


_ALONE = Group()
_current = _ALONE


def current() -> Group:
    """Return the group that this process works in, which may be one of its own."""
    return _current


@contextlib.contextmanager
def joined(cluster: Cluster | None) -> Iterator[Group]:
    """Within it, this process works with the others of a cluster; None leaves it as it is.

    An error of one worker ends all of them.

    Raises:
        ConfigError: the workers cannot work together.
        WorkerError: a worker is missing or lost.
    """
    global _current  # noqa: PLW0603
    if cluster is None or _current is not _ALONE:
        yield _current
        return
    group = _current = Group(cluster, *join(cluster))
    try:
        yield group
        group.leave()
    except BaseException as error:
        # What a library says of a connection that broke is the outcome of a lost worker.
        outcome = isinstance(error, Exception) and not isinstance(error, ZooError)
        if outcome and group.has_lost():
            group.fail("")
            raise group.error() from error
        group.fail(_what_became(error))
        raise
    finally:
        _current = _ALONE
