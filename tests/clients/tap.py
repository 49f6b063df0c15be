"""A TCP relay in front of a gateway that counts bytes and acts in the middle of a transfer."""
import socket
import threading


class Tap:
    """Relays to `grid`. Once `after_bytes` have come up from the clients (or down to them), it calls
    `action`, once, while the connection that reached the mark waits. A context manager."""

    def __init__(self, grid, after_bytes, action, direction="up"):
        self.grid = grid
        self.after_bytes = after_bytes
        self.action = action
        self.direction = direction
        self.bytes = 0
        self.done = threading.Event()
        self.failure = None
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.sockets = set()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind, error, trace):
        self.listener.close()
        with self.lock:
            for one in self.sockets:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        if kind is None:
            if self.failure:
                raise self.failure
            assert self.done.is_set(), f"only {self.bytes} bytes went {self.direction}"

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.grid.port))
            except OSError:
                client.close()
                continue
            with self.lock:
                self.sockets |= {client, server}
            for source, target, direction in ((client, server, "up"), (server, client, "down")):
                threading.Thread(target=self._relay, args=(source, target, direction),
                                 daemon=True).start()

    def _relay(self, source, target, direction):
        try:
            while data := source.recv(64 * 1024):
                if direction == self.direction:
                    self._count(len(data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for one in (source, target):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _count(self, count):
        with self.lock:
            before = self.bytes
            self.bytes += count
            act = before < self.after_bytes <= self.bytes
        if act:
            try:
                self.action()
            except Exception as failure:  # told by __exit__, in the test's own thread
                self.failure = failure
            self.done.set()
