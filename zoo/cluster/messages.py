"""Messages between workers: a kind, a value and bytes. Nothing that is received is executed."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_HEAD = struct.Struct("!4sIQ")
"""A mark, the length of the JSON, the length of the body."""
_MARK = b"zoo1"
_LONGEST_VALUE = 1 << 26


class Message(NamedTuple):
    """What one worker tells another.

    Attributes:
        kind: what it is about.
        value: JSON.
        body: bytes.
    """

    kind: str
    value: Any
    body: bytes


class Channel:
    """A connection to another worker, which several threads may write to and one reads from.

    Args:
        connection: the socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._turn = threading.Lock()

    @property
    def own_address(self) -> str:
        """The address of this host as the other reaches it."""
        return str(self._socket.getsockname()[0])

    def send(self, kind: str, value: Any = None, body: bytes = b"") -> None:
        """Send a message.

        Raises:
            OSError: the other is not there.
        """
        text = json.dumps([kind, value]).encode()
        with self._turn:
            self._socket.sendall(_HEAD.pack(_MARK, len(text), len(body)) + text)
            if body:
                self._socket.sendall(body)

    def receive(self, seconds: float | None = None) -> Message:
        """Wait for a message, for so many seconds at most.

        Raises:
            OSError: the other is not there, is silent, or is no worker.
        """
        self._socket.settimeout(seconds)
        mark, length, size = _HEAD.unpack(self._exactly(_HEAD.size))
        if mark != _MARK or length > _LONGEST_VALUE:
            raise ConnectionError("what was received is no message of a worker")
        kind, value = json.loads(self._exactly(length))
        return Message(kind, value, self._exactly(size))

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _exactly(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            piece = self._socket.recv(min(count - len(found), 1 << 20))
            if not piece:
                raise ConnectionError("the connection was closed")
            found += piece
        return bytes(found)


def pack(value: Any) -> bytes:
    """Return a value as bytes: JSON, arrays and arrays of objects, in dicts and lists."""
    import numpy as np

    arrays: list[Any] = []
    text = json.dumps(_outline(value, arrays))
    buffer = io.BytesIO()
    named = {str(place): array for place, array in enumerate(arrays)}
    np.savez(buffer, outline=np.frombuffer(text.encode(), np.uint8), allow_pickle=False, **named)
    return buffer.getvalue()


def unpack(body: bytes) -> Any:
    """Return what :func:`pack` was given; tuples come back as lists."""
    import numpy as np

    with np.load(io.BytesIO(body), allow_pickle=False) as stored:
        outline = json.loads(stored["outline"].tobytes())
        return _filled(outline, stored)


def _outline(value: Any, arrays: list[Any]) -> Any:
    """Return a value as JSON that names the places of its arrays, which are added to `arrays`."""
    import numpy as np

    if isinstance(value, np.ndarray) and value.dtype == object:
        items = [_outline(each, arrays) for each in value.flat]
        return {"objects": items, "shape": value.shape}
    if isinstance(value, np.ndarray | np.generic):
        arrays.append(np.asarray(value))
        return {"array": len(arrays) - 1}
    if isinstance(value, Mapping):
        return {"dict": {name: _outline(each, arrays) for name, each in value.items()}}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return {"list": [_outline(each, arrays) for each in value]}
    return {"plain": value}


def _filled(outline: Mapping[str, Any], stored: Any) -> Any:
    import numpy as np

    (kind, content), *_ = outline.items()
    if kind == "array":
        return stored[str(content)]
    if kind == "objects":
        column = np.empty(len(content), object)
        for place, each in enumerate(content):
            column[place] = _filled(each, stored)
        return column.reshape(outline["shape"])
    if kind == "dict":
        return {name: _filled(each, stored) for name, each in content.items()}
    if kind == "list":
        return [_filled(each, stored) for each in content]
    return content
