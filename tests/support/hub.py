"""A hub of models on this machine, which speaks as Hugging Face does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

COMMIT = "a" * 40


class Hub:
    """Serves one model, `org/model`, while it is entered.

    Attributes:
        fetched: how often each file's content was asked for.
        cut: a file of which the connection breaks in the middle.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.fetched: Counter[str] = Counter()
        self.cut = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, files))

    @property
    def address(self) -> str:
        """Of the server, for `HF_ENDPOINT`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(hub: Hub, files: Mapping[str, bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_content=False)

        def do_GET(self) -> None:
            self._answer(with_content=True)

        def log_message(self, *arguments: Any) -> None:
            pass

        def _answer(self, *, with_content: bool) -> None:
            path = self.path.partition("?")[0]
            name = path.removeprefix(f"/org/model/resolve/{COMMIT}/")
            headers: dict[str, str] = {}
            if path.startswith("/api/models/org/model/tree/"):
                content = json.dumps(
                    [
                        {"type": "file", "path": each, "size": len(data), "oid": _id(data)}
                        for each, data in files.items()
                    ]
                ).encode()
            elif path.startswith("/api/models/org/model"):
                siblings = [{"rfilename": each} for each in files]
                about = {"id": "org/model", "sha": COMMIT, "siblings": siblings}
                content = json.dumps(about).encode()
            elif name in files:
                content = files[name]
                headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{_id(content)}"'}
                hub.fetched[name] += with_content
            else:
                self.send_error(404)
                return
            self._send(content, headers, with_content=with_content, cut=name == hub.cut)

        def _send(
            self, content: bytes, headers: Mapping[str, str], *, with_content: bool, cut: bool
        ) -> None:
            self.send_response(200)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            if with_content:
                self.wfile.write(content[: len(content) // 2] if cut else content)

    return Handler


def _id(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
