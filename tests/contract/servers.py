"""Servers that behave badly in ways an HTTP library does not offer: bytes written by hand over TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import trustme

Talk = Callable[[ssl.SSLSocket], None]


class Authority:
    """A certificate authority with its file."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca))

    def context(self, *names: str) -> ssl.SSLContext:
        """For a server of these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*names).configure_cert(context)
        return context


@contextlib.contextmanager
def tls_server(authority: Authority, talk: Talk, name: str = "127.0.0.1") -> Iterator[str]:
    """A server that hands each connection to `talk` in a thread; gives its address."""
    context = authority.context(name)

    def _serve(raw: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as secure:
            talk(secure)

    with _listening(_serve) as port:
        yield f"https://127.0.0.1:{port}"


@contextlib.contextmanager
def proxy_server() -> Iterator[tuple[str, list[str]]]:
    """A proxy that knows CONNECT only; gives its address and the requests that it saw."""
    seen: list[str] = []

    def _serve(client: socket.socket) -> None:
        head = read_head(client)
        seen.append(head)
        host, _, port = head.split()[1].rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join()

    with _listening(_serve) as port:
        yield f"http://user:proxy-password@127.0.0.1:{port}", seen


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections and never says a word; gives its address."""
    with _listening(_until_closed) as port:
        yield f"http://127.0.0.1:{port}"


def _until_closed(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


@contextlib.contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def _accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=_handle, args=(connection,), daemon=True).start()

    def _handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            serve(connection)

    thread = threading.Thread(target=_accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def read_head(connection: socket.socket) -> str:
    """The lines of a request up to the empty one."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(4096)
        if not data:
            break
        head += data
    return head.decode("latin-1")


def says(data: bytes) -> Talk:
    """Reads a request, answers these bytes, closes."""

    def _talk(connection: ssl.SSLSocket) -> None:
        read_head(connection)
        connection.sendall(data)

    return _talk


def hears_out(data: bytes) -> Talk:
    """Reads a request with its body, answers these bytes, closes: a body left unread would break the connection."""

    def _talk(connection: ssl.SSLSocket) -> None:
        hear(connection)
        connection.sendall(data)

    return _talk


def hear(connection: ssl.SSLSocket) -> str:
    """A whole request: its body, where it has one."""
    head, _, body = read_head(connection).partition("\r\n\r\n")
    length = next((line for line in head.lower().split("\r\n") if line.startswith("content-length:")), ":0")
    data = body.encode("latin-1")
    while len(data) < int(length.partition(":")[2]) and (more := connection.recv(4096)):
        data += more
    return data.decode()


def answer(body: bytes) -> bytes:
    """200 with a JSON body, after which the connection ends."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
    return head.encode() + b"\r\n\r\n" + body


def drips(start: bytes, drop: bytes) -> Talk:
    """Reads a request, answers the start, then one drop after another for as long as someone listens."""

    def _talk(connection: ssl.SSLSocket) -> None:
        read_head(connection)
        connection.sendall(start)
        while True:
            connection.sendall(drop)
            time.sleep(0.02)

    return _talk
