"""A TCP relay in front of a gateway that counts bytes and acts in the middle of a transfer."""
import socket
import threading


def cut(pair):
    """Wakes both directions, which then end."""
    for one in pair:
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Tap:
    """Relays to `grid`. Once `after_bytes` have come up from the clients (or down to them) it calls
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
        self.pairs = {}  # sockets of a client and its server: directions that still flow

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind, error, trace):
        self.listener.close()
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            cut(pair)
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
            pair = (client, server)
            with self.lock:
                self.pairs[pair] = 2
            for direction in ("up", "down"):
                threading.Thread(target=self._relay, args=(pair, direction), daemon=True).start()

    def _relay(self, pair, direction):
        source, target = pair if direction == "up" else reversed(pair)
        try:
            while data := source.recv(64 * 1024):
                if direction == self.direction:
                    self._count(len(data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            cut(pair)
        with self.lock:
            self.pairs[pair] -= 1
            if self.pairs[pair] > 0:
                return
            del self.pairs[pair]
        for one in pair:  # what the client has still sent makes this a reset, which it notices
            one.close()

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
