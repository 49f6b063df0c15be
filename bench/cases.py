"""What is measured: the cases of one round, in order, and how much of each."""

from dataclasses import dataclass

GIB = 1 << 30
MIB = 1 << 20


@dataclass(frozen=True)
class Case:
    name: str
    operation: str  # of hydra-load
    size: int  # of a body
    streams: int
    ops: int
    keys: int
    keyspace: str  # cases of one keyspace share their objects
    per: str  # "GiB" or "1000": what the CPU is divided by
    floor: str = ""  # "put" or "get" of hydra-floor
    target: str = ""  # in the words of `limit`
    limit: float = 0  # of the ratio to the floor, of CPU-seconds per unit, or of the gateway's MiB
    of_memory: bool = False  # the limit is of memory


def round_of(quick, scale=1):
    """One round. Small objects go first into a keyspace of 8 streams, then into one of 32."""
    counts = (32, 1000, 5000, 100) if quick else (64, 4000, 20000, 400)
    bodies, puts, gets, pages = (max(8, round(count * scale)) for count in counts)
    small = 4096
    return [
        Case("PUT 8 MiB, 8 streams", "put", 8 * MIB, 8, bodies, bodies, "8m", "GiB", "put",
             "2.0 x floor", 2.0),
        Case("GET 8 MiB, 8 streams", "get", 8 * MIB, 8, bodies, bodies, "8m", "GiB", "get",
             "2.0 x floor", 2.0),
        Case("PUT 4 KiB, 8 streams", "put", small, 8, puts, puts, "4k8", "1000"),
        Case("PUT 4 KiB, 32 streams", "put", small, 32, puts, puts, "4k32", "1000"),
        Case("GET 4 KiB, 8 streams", "get", small, 8, gets, puts, "4k32", "1000", "", "0.08", 0.08),
        Case("HEAD, 8 streams", "head", small, 8, gets, puts, "4k32", "1000", "", "0.08", 0.08),
        Case("LIST page of 1000, 4 streams", "list", small, 4, pages, puts, "4k32", "1000", "", "1.5",
             1.5),
        Case("DELETE, 8 streams", "delete", small, 8, puts, puts, "4k8", "1000"),
    ]


def large(size):
    """One body that fits into no buffer."""
    return [
        Case(f"PUT {size / GIB:g} GiB", "put", size, 1, 1, 1, "large", "GiB", "", "200 MiB", 200, True),
        Case(f"GET {size / GIB:g} GiB", "get", size, 1, 1, 1, "large", "GiB", "", "200 MiB", 200, True),
    ]
