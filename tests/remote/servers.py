"""Servers on this machine that stand for those of the world."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Server(ThreadingHTTPServer):
    """A web server of a folder that remembers what it was asked and can be told to misbehave."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, folder: Path, *, parts: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.parts = parts
        self.sent = 0
        self.paths: list[str] = []
        self.refuse: dict[str, int] = {}
        """Statuses to answer with, by parts of a path."""
        self.cut = False
        """Whether to send half of what is asked for."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(SimpleHTTPRequestHandler):
    server: Server

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, directory=str(args[2].folder))

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        for part, status in self.server.refuse.items():
            if part in self.path:
                self.send_error(status)
                return
        path = Path(self.translate_path(self.path))
        asked = self.headers.get("Range")
        if not path.is_file() or (asked is None and not self.server.cut):
            super().do_GET()
            return
        content = path.read_bytes()
        start, stop = 0, len(content)
        if asked is not None and self.server.parts:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start = int(first) if first else max(len(content) - int(last), 0)
            stop = min(int(last) + 1 if first and last else len(content), len(content))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:stop]
        if self.server.cut and len(body) > 1:
            body = body[: len(body) // 2]
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Last-Modified", self.date_time_string(int(os.stat(path).st_mtime)))
        self.end_headers()
        self.server.sent += len(body)
        self.wfile.write(body)


@contextmanager
def served(folder: Path, *, parts: bool = True) -> Iterator[Server]:
    """A web server of a folder; without `parts` it sends whole files only, as Python's own does."""
    server = Server(folder, parts=parts)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def bucket() -> Iterator[str]:
    """The address of a bucket, and the settings that lead fsspec to it."""
    import fsspec
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    before = {key: os.environ.get(key) for key in settings}
    os.environ.update(settings)
    try:
        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket"
    finally:
        fsspec.filesystem("s3").clear_instance_cache()
        for key, value in before.items():
            if value is None:
                os.environ.pop(key)
            else:
                os.environ[key] = value
        server.stop()
