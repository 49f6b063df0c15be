"""relay.py LISTEN_HOST LISTEN_PORT TO_HOST TO_PORT: carries TCP connections on, until it is killed."""
import socket
import sys
import threading


def carry(source, target):
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
    except OSError:
        pass
    for one in (source, target):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client, to):
    try:
        server = socket.create_connection(to, timeout=5)
        server.settimeout(None)
    except OSError:
        client.close()
        return
    for one in (client, server):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=carry, args=(client, server), daemon=True).start()
    carry(server, client)
    client.close()
    server.close()


def main():
    listen, to = (sys.argv[1], int(sys.argv[2])), (sys.argv[3], int(sys.argv[4]))
    listener = socket.create_server(listen)
    print(listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, to), daemon=True).start()


main()
