"""The sample app of the tide: an HTTP server with a fixed capacity, so that too few instances show.

At most CONCURRENCY requests are worked on at a time, WORK_MS milliseconds each; QUEUE more wait; what
comes beyond is answered 503. GET /healthz answers at once, whatever else goes on. On SIGTERM it stops
accepting, finishes what it has and exits with 0.

A plain selector loop rather than asyncio: a dozen instances start at once on two cores, and importing
asyncio alone would take five times as long as this whole program takes to be ready.
"""

import os
import selectors
import signal
import socket
import time
from collections import deque

CONCURRENCY = int(os.environ.get("CONCURRENCY", "4"))
QUEUE = int(os.environ.get("QUEUE", "8"))
WORK_SECONDS = int(os.environ.get("WORK_MS", "100")) / 1000
PORT = int(os.environ.get("PORT", "8000"))
HOST = os.environ.get("HOST", "")

MAX_HEAD_BYTES = 32 * 1024
LINGER_SECONDS = 0.25
"""How long open connections are listened to after SIGTERM: a request may be on its way."""

REASONS = {200: "OK", 400: "Bad Request", 431: "Request Header Fields Too Large", 503: "Service Unavailable"}
NAME = socket.gethostname()


class BadRequest(Exception):
    """The bytes aren't a request that this server understands; carries the status to answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Request:
    """One request: read piece by piece, complete once its whole body has come."""

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        try:
            self.method, self.path, version = first.split(" ")
            fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
            self.body_bytes_left = int(fields.get("content-length", "0"))
        except ValueError:
            raise BadRequest(400) from None
        if self.body_bytes_left < 0:
            raise BadRequest(400)
        connection = fields.get("connection", "").lower()
        self.keeps_alive = "close" not in connection if version == "HTTP/1.1" else "keep-alive" in connection
        self.is_chunked = "chunked" in fields.get("transfer-encoding", "").lower()
        self.expects_continue = fields.get("expect", "").lower() == "100-continue"
        self.body_bytes = 0
        self.last_chunk_seen = False

    def take_body(self, inbox: bytearray) -> bool:
        """Take what belongs to the body from the inbox; whether the body is complete."""
        if not self.is_chunked:
            self._take(inbox)
            return not self.body_bytes_left
        while True:
            self._take(inbox)
            end = inbox.find(b"\r\n")
            if self.body_bytes_left or end < 0:
                return False
            line = bytes(inbox[:end])
            del inbox[: end + 2]
            if self.last_chunk_seen and not line:
                return True
            if line and not self.last_chunk_seen:
                self._begin_chunk(line)

    def _begin_chunk(self, line: bytes) -> None:
        try:
            self.body_bytes_left = int(line.split(b";")[0], 16)
        except ValueError:
            raise BadRequest(400) from None
        self.last_chunk_seen = not self.body_bytes_left

    def _take(self, inbox: bytearray) -> None:
        taken = min(len(inbox), self.body_bytes_left)
        del inbox[:taken]
        self.body_bytes_left -= taken
        self.body_bytes += taken


class Connection:
    """A client's connection: one request at a time, in the order they come."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.request: Request | None = None
        self.is_waiting = False
        """Whether a complete request of it is being worked on or queued."""
        self.closes = False
        self.is_open = True


class Server:
    """Accepts, reads, admits, works (by waiting) and answers, all in one thread."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.listener: socket.socket | None = socket.create_server((HOST, PORT), backlog=1024, reuse_port=False)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.connections: set[Connection] = set()
        self.working: deque[tuple[float, Connection]] = deque()
        """Requests in work with the moment they are done; all take as long, so the first is done first."""
        self.queue: deque[Connection] = deque()
        self.stops_at: float | None = None

    def serve(self) -> None:
        """Serve until SIGTERM, then until everything taken on is answered."""
        self.listen_to_signals()
        while self.stops_at is None or self.connections:
            for key, events in self.selector.select(self.seconds_to_next()):
                key.data(events)
            self.finish_work()
            if self.stops_at is not None and time.monotonic() >= self.stops_at:
                self.close_idle()

    def listen_to_signals(self) -> None:
        wakes, woken = socket.socketpair()
        for end in (wakes, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(woken.fileno())
        self.woken = woken
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        self.selector.register(wakes, selectors.EVENT_READ, lambda _: wakes.recv(64))

    def stop(self) -> None:
        """Accept what has already connected, then nobody more."""
        if self.listener is not None:
            self.accept()
            self.selector.unregister(self.listener)
            self.listener.close()
            self.listener = None
            self.stops_at = time.monotonic() + LINGER_SECONDS

    def seconds_to_next(self) -> float | None:
        moments = [self.working[0][0]] if self.working else []
        if self.stops_at is not None:
            moments.append(max(self.stops_at, time.monotonic() + 0.01))
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def accept(self, _: int = 0) -> None:
        while self.listener is not None:
            try:
                sock, _address = self.listener.accept()
            except BlockingIOError:
                return
            except OSError:  # the client went away before it was accepted
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock)
            self.connections.add(connection)
            self.selector.register(sock, selectors.EVENT_READ, lambda events, it=connection: self.ready(it, events))

    def ready(self, connection: Connection, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self.send(connection)
        if events & selectors.EVENT_READ and connection.is_open:
            self.receive(connection)

    def receive(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(connection)
            return
        connection.inbox += data
        self.read_requests(connection)

    def read_requests(self, connection: Connection) -> None:
        """Take requests from the inbox until one has to wait for its turn or more bytes must come."""
        try:
            while connection.is_open and not connection.is_waiting and not connection.closes:
                request = connection.request or self.read_head(connection)
                if request is None or not request.take_body(connection.inbox):
                    return
                connection.request = request
                self.admit(connection, request)
        except BadRequest as error:
            connection.closes = True
            self.answer(connection, error.status)

    def read_head(self, connection: Connection) -> Request | None:
        end = connection.inbox.find(b"\r\n\r\n")
        if end < 0:
            if len(connection.inbox) > MAX_HEAD_BYTES:
                raise BadRequest(431)
            return None
        request = Request(bytes(connection.inbox[:end]))
        del connection.inbox[: end + 4]
        connection.request = request
        if request.expects_continue:
            connection.outbox += b"HTTP/1.1 100 Continue\r\n\r\n"
            self.send(connection)
        return request

    def admit(self, connection: Connection, request: Request) -> None:
        if request.path == "/healthz":
            self.answer(connection, 200)
        elif len(self.working) < CONCURRENCY:
            self.work(connection)
        elif len(self.queue) < QUEUE:
            connection.is_waiting = True
            self.queue.append(connection)
        else:
            self.answer(connection, 503)

    def work(self, connection: Connection) -> None:
        connection.is_waiting = True
        self.working.append((time.monotonic() + WORK_SECONDS, connection))

    def finish_work(self) -> None:
        now = time.monotonic()
        while self.working and self.working[0][0] <= now:
            _, connection = self.working.popleft()
            if self.queue:
                self.work(self.queue.popleft())
            if connection.is_open:
                connection.is_waiting = False
                self.answer(connection, 200)
                self.read_requests(connection)

    def answer(self, connection: Connection, status: int) -> None:
        request, connection.request = connection.request, None
        keeps_alive = request is not None and request.keeps_alive and self.stops_at is None
        connection.closes = connection.closes or not keeps_alive
        received = request.body_bytes if request else 0
        body = f"{NAME} {status} {received}\n".encode()
        head = (
            f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
            f"Connection: {'close' if connection.closes else 'keep-alive'}\r\n\r\n"
        )
        connection.outbox += head.encode() + (b"" if request and request.method == "HEAD" else body)
        self.send(connection)

    def send(self, connection: Connection) -> None:
        try:
            sent = connection.sock.send(connection.outbox)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close(connection)
            return
        del connection.outbox[:sent]
        if connection.closes and not connection.outbox:
            self.close(connection)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.outbox else 0)
        key = self.selector.get_key(connection.sock)
        if key.events != wanted:
            self.selector.modify(connection.sock, wanted, key.data)

    def close_idle(self) -> None:
        """Close what asks for nothing, now that the server is to stop."""
        for connection in [each for each in self.connections if each.request is None and not each.outbox]:
            self.close(connection)

    def close(self, connection: Connection) -> None:
        if connection.is_open:
            connection.is_open = False
            self.connections.discard(connection)
            self.selector.unregister(connection.sock)
            connection.sock.close()
            if connection in self.queue:
                self.queue.remove(connection)


if __name__ == "__main__":
    Server().serve()
