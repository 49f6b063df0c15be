"""What healing costs and whom it disturbs: ./dev bench --heal.

Six nodes, 4+2. One is lost with all that it held, as a disk that dies: it is killed and removed from the grid,
and a wiped one joins in its place. Its shards are then rebuilt from any k of the others, beside the floor that
only reads, decodes and writes. Then the same again, and a scrub, under an open loop of GETs, whose 99th
percentiles are compared with those of an idle grid a moment before.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from cases import GIB, MIB
from processes import Processes, filesystem_of, machine, read
from table import lines_of, put_into, show

BODY = 8 * MIB
TARGET = 2.0  # p99 under healing or scrubbing, by that of the idle grid
# Size of a body, requests a second, how many objects.
FOREGROUND = [(4096, 100, 500), (256 * 1024, 50, 200)]
PATIENCE = 900  # seconds


class Grid:
    """A grid of six nodes whose nodes die and are replaced."""

    def __init__(self, data, binaries):
        self.data, self.binaries = Path(data), binaries
        self.gateway = int(read(self.data / "run/gateway.pid"))
        self.agents = {path.stem: int(read(path)) for path in sorted((self.data / "run").glob("agent-*.pid"))}
        self.joined = []  # those that we started ourselves
        self.endpoint, self.credentials = read(self.data / "endpoint").strip(), self.data / "credentials"

    def processes(self):
        return Processes([self.gateway, *self.agents.values()])

    def hydractl(self, *words):
        """The answer of a command, as JSON."""
        done = subprocess.run([self.binaries / "hydractl", *words, "--json", "--socket",
                               self.data / "run/admin.sock"], capture_output=True, text=True, check=False)
        if done.returncode not in (0, 4, 5):  # degraded, at risk
            raise RuntimeError(f"hydractl {' '.join(words)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def heal(self):
        return self.hydractl("heal", "status")

    def wait(self, what, true, ask=None):
        """Until `true` of the healer's status, or of what `ask` answers."""
        deadline = time.monotonic() + PATIENCE
        while not true(answer := (ask or self.heal)()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"waited {PATIENCE} s for {what}: {json.dumps(answer)}")
            time.sleep(0.25)

    def wait_until_whole(self):
        self.wait("a grid that is whole", is_whole)

    def state_of(self, name):
        return next(node["state"] for node in self.hydractl("node", "list")["nodes"] if node["name"] == name)

    def lose(self, name):
        """Kills a node and takes it out, and waits until the healer knows."""
        os.kill(self.agents[name], signal.SIGKILL)
        del self.agents[name]
        self.wait(f"{name} to be down", lambda state: state == "down", lambda: self.state_of(name))
        self.hydractl("node", "remove", name, "--lost")
        shutil.rmtree(self.data / name)
        self.wait("the healer to see the loss",
                  lambda heal: heal["queue"]["repairs"] > 0 and heal["census"] and heal["census"]["below"])

    def join(self, name):
        """A new node on an empty disk."""
        token = self.hydractl("node", "token")
        with open(self.data / f"log/{name}.log", "wb") as log:
            agent = subprocess.Popen([self.binaries / "hydra-agent", "join", "--gateway", token["gateway"],
                                      "--token", token["token"], "--data", self.data / name, "--name", name,
                                      "--zone", "zone-3"], stdout=log, stderr=log)
        self.agents[name] = agent.pid
        self.joined.append(agent)

    def forget_cached(self):
        """Lets shards be read from disk, as those of a node that has more of them than memory would be."""
        for path in self.data.glob("agent-*/**/*"):
            if path.is_file():
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def stop_joined(self):
        for agent in self.joined:
            agent.terminate()
        for agent in self.joined:
            agent.wait()


def is_whole(heal):
    """What `hydractl heal status` says of a grid that has nothing left to heal."""
    queue = heal["queue"]
    return (heal["active"] and not heal["surveying"] and not heal["running"] and heal["census"] is not None
            and not heal["census"]["below"] and queue["repairs"] + queue["moves"] == 0)


class Counters:
    """What a grid's processes have used since this was made; those that join count from their start."""

    def __init__(self, grid):
        self.grid, self.heal, self.began = grid, grid.heal(), time.monotonic()
        processes = grid.processes()
        self.cpu, self.bytes_read = processes.cpu_seconds(), processes.bytes_read()
        self.bytes_written = processes.bytes_written()

    def read(self):
        seconds, processes, heal = time.monotonic() - self.began, self.grid.processes(), self.grid.heal()
        written = processes.bytes_written()
        return {"seconds": seconds, "cpu_s": processes.cpu_seconds() - self.cpu,
                "rebuilt_gib": (heal["written_bytes"] - self.heal["written_bytes"]) / GIB,
                "read_gib": gib(processes.bytes_read(), self.bytes_read),
                "written_gib": gib(written, self.bytes_written)}


def gib(now, before):
    return None if now is None or before is None else (now - before) / GIB


class HealBench:
    def __init__(self, arguments, grid, directory):
        self.arguments, self.grid, self.directory = arguments, grid, directory
        self.seconds = 6 if arguments.quick else 20
        self.bodies = max(8, int(arguments.heal_size * GIB) // BODY)

    def load_command(self, operation, *options):
        return [self.grid.binaries / "hydra-load", operation, "--endpoint", self.grid.endpoint, "--credentials",
                self.grid.credentials, "--bucket", "hydra-bench", *map(str, options)]

    def load(self, operation, *options):
        done = subprocess.run(self.load_command(operation, *options), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"hydra-load {operation}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def fill(self):
        self.load("make-bucket")
        for size, _, keys in FOREGROUND:
            self.load("put", "--size", size, "--keys", keys, "--ops", keys, "--streams", 8, "--prefix", f"{size}/")
        self.load("put", "--size", BODY, "--keys", self.bodies, "--ops", self.bodies, "--streams", 8,
                  "--prefix", "bulk/", "--timeout", 600)

    def check(self):
        """What was rebuilt is right: some of the bodies, byte for byte."""
        count = min(self.bodies, 64)
        self.load("get", "--size", BODY, "--keys", count, "--ops", count, "--streams", 4, "--prefix", "bulk/",
                  "--verify")

    def floor(self):
        bodies = max(1, min(self.bodies, 64) // 8)
        done = subprocess.run([self.grid.binaries / "hydra-floor", "--dir", self.directory, "--streams", "8",
                               "--bodies", str(bodies), "--size", str(BODY)],
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["rebuild"]

    def foreground(self):
        """All loads side by side; a list of their reports."""
        runs = [subprocess.Popen(self.load_command(
            "get", "--size", size, "--keys", keys, "--prefix", f"{size}/", "--streams", 32, "--rate", rate,
            "--seconds", self.seconds, "--poisson"), stdout=subprocess.PIPE, text=True)
            for size, rate, keys in FOREGROUND]
        return [json.loads(run.communicate()[0]) for run in runs]

    def rebuild_alone(self):
        self.grid.wait_until_whole()
        self.grid.lose("agent-6")
        self.grid.forget_cached()
        counters = Counters(self.grid)
        self.grid.join("agent-7")
        self.grid.wait_until_whole()
        return counters.read()

    def rebuild_beside(self):
        """Foreground on an idle grid, and again while a node's shards are rebuilt."""
        idle = self.foreground()
        self.grid.lose("agent-5")
        self.grid.join("agent-8")
        self.grid.wait("the rebuilding to begin", lambda heal: heal["running"] > 0)
        counters = Counters(self.grid)
        busy = self.foreground()
        numbers = counters.read()
        if is_whole(self.grid.heal()):
            say("the rebuilding ended before the foreground did: take a larger --heal-size")
        self.grid.wait_until_whole()
        return {"idle": idle, "busy": busy, "rate": numbers["rebuilt_gib"] * 1024 / numbers["seconds"]}

    def scrub_beside(self):
        idle = self.foreground()
        self.grid.hydractl("scrub", "start")
        busy = self.foreground()
        scrub = self.grid.hydractl("scrub", "status")
        if not scrub["working"]:
            say("the scrub ended before the foreground did: take a larger --heal-size")
        pass_ = scrub["now"] or scrub["last"]
        return {"idle": idle, "busy": busy, "rate": pass_["bytes"] / MIB / self.seconds}


def say(text):
    print(f"bench: {text}", file=sys.stderr)


@contextmanager
def own_grid(directory, binaries, up, down):
    data = os.path.join(directory, "grid")
    up(data)
    try:
        grid = Grid(data, binaries)
        try:
            yield grid
        finally:
            grid.stop_joined()
    finally:
        down(data)


def measure(arguments, directory, grid):
    bench = HealBench(arguments, grid, directory)
    phases = [("filling", bench.fill), ("floor", bench.floor), ("rebuilding", bench.rebuild_alone),
              ("floor again", bench.floor), ("comparing", bench.check),
              ("rebuilding beside GETs", bench.rebuild_beside), ("scrubbing beside GETs", bench.scrub_beside)]
    results = {}
    for name, phase in phases:
        began = time.monotonic()
        results[name] = phase()
        say(f"{name}: {time.monotonic() - began:.1f} s")
    if not grid.processes().alive():
        raise RuntimeError("a server process ended")
    return {"machine": machine(), "filesystem": filesystem_of(directory), "size_gib": bench.bodies * BODY / GIB,
            "seconds": bench.seconds, "load_average": os.getloadavg()[0],
            "floor": mean(results["floor"], results["floor again"]),
            "rebuild": results["rebuilding"], "healing": results["rebuilding beside GETs"],
            "scrubbing": results["scrubbing beside GETs"]}


def mean(first, second):
    return {name: (first[name] + second[name]) / 2 for name in first}


def rebuild_rows(report):
    rebuild, floor = report["rebuild"], report["floor"]
    per_gib = rebuild["cpu_s"] / rebuild["rebuilt_gib"]
    rows = [["rebuilding one of six nodes", "GiB", "s", "CPU-s", "CPU-s/GiB", "x floor", "read GiB", "written GiB"],
            ["grid", show(rebuild["rebuilt_gib"], 2), show(rebuild["seconds"], 1), show(rebuild["cpu_s"], 1),
             show(per_gib, 2), show(per_gib / floor["cpu_s_per_gib"], 2), show(rebuild["read_gib"], 2),
             show(rebuild["written_gib"], 2)],
            ["floor", show(floor["gib"], 2), show(floor["seconds"], 1),
             show(floor["cpu_s_per_gib"] * floor["gib"], 1), show(floor["cpu_s_per_gib"], 2), "1.00",
             show(floor["gib"] * 4, 2), show(floor["gib"], 2)]]
    return rows


def foreground_rows(report):
    rows = [["GETs beside", "of", "a second", "p50 idle ms", "p50 ms", "p99 idle ms", "p99 ms", "ratio", "target",
             "errors"]]
    for name, title in (("healing", "rebuilding"), ("scrubbing", "scrubbing")):
        numbers = report[name]
        for (size, rate, _), idle, busy in zip(FOREGROUND, numbers["idle"], numbers["busy"], strict=True):
            ratio = busy["p99_ms"] / idle["p99_ms"]
            rows.append([f"{title} {numbers['rate']:.1f} MiB/s", f"{size // 1024} KiB", str(rate),
                         show(idle["p50_ms"], 2), show(busy["p50_ms"], 2), show(idle["p99_ms"], 2),
                         show(busy["p99_ms"], 2), show(ratio, 2),
                         f"{TARGET:.1f}" + (" (missed)" if ratio > TARGET else ""),
                         str(idle["errors"] + busy["errors"])])
    return rows


def markdown(report):
    facts = [f"- machine: {report['machine']}; {report['filesystem']}; "
             f"load average {report['load_average']:.1f} at the end",
             f"- date: {report['date']}", f"- command: `{report['command']}`",
             f"- {report['size_gib']:g} GiB of 8 MiB bodies on six nodes; each window of GETs took "
             f"{report['seconds']} s"]
    return "\n".join(facts + [""] + lines_of(rebuild_rows(report)) + [""] + lines_of(foreground_rows(report)))


def run(arguments, parent, binaries, command, up, down):
    """Measures, prints, and returns the exit status."""
    needed = 4 * int(arguments.heal_size * GIB)
    if shutil.disk_usage(parent).free < needed:
        sys.exit(f"bench: {parent} needs {needed / GIB:.1f} GiB free")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as directory, \
            own_grid(directory, binaries, up, down) as grid:
        report = measure(arguments, directory, grid)
    report["date"], report["command"] = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), command
    text = markdown(report)
    print(text)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if arguments.markdown:
        put_into(Path(arguments.markdown), text, "heal")
    windows = [window for name in ("healing", "scrubbing") for window in report[name]["idle"] + report[name]["busy"]]
    return 1 if any(window["errors"] for window in windows) else 0
