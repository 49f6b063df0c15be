"""Requests written byte by byte, for what no HTTP library would send."""
import socket

import sigv4


class Raw:
    """One connection to a grid's S3 port."""

    def __init__(self, grid, timeout=60):
        self.grid = grid
        self.socket = socket.create_connection(("127.0.0.1", grid.port), timeout=timeout)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """What the other side does not want any more is no error: the answer tells."""
        try:
            self.socket.sendall(data.encode() if isinstance(data, str) else data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.received += data
        return bool(data)

    def answer(self):
        """The next response but for 100 Continue, or None when the connection ends before it."""
        while b"\r\n\r\n" not in self.received:
            if not self.more():
                return None
        head, _, rest = self.received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        if status == 100:
            self.received = rest
            return self.answer()
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        self.received = rest
        while len(self.received) < length and self.more():
            pass
        body, self.received = self.received[:length], self.received[length:]
        return sigv4.Answer(status, headers, body)

    def closes(self):
        """Whether nothing more comes but the end of the connection."""
        while self.more():
            pass
        return self.received == b""


def signed_head(grid, method, bucket, key="", headers=None, query="", payload=sigv4.EMPTY_SHA256,
                path=None, **options):
    """A signed request's head; framing is not covered by the signature."""
    path = path or sigv4.encode_path(bucket, key)
    headers = {"Host": f"127.0.0.1:{grid.port}", **(headers or {})}
    covered = {name: value for name, value in headers.items()
               if name.lower() not in ("content-length", "transfer-encoding", "expect")}
    signed = sigv4.sign(options.get("access", grid.access_key),
                        options.get("secret", grid.secret_key), method, path, covered, query,
                        payload, options.get("at"))
    lines = [f"{method} {path}{'?' + query if query else ''} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in {**headers, **signed}.items()]
    return "\r\n".join(lines) + "\r\n\r\n"
