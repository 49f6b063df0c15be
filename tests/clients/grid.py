"""One grid of a test's own, started by ./dev up on a free port."""
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
DEV = REPO / "dev"
PATIENCE_S = 180  # for anything that a busy machine may delay


def binaries():
    """Where hydra-agent and hydra-gateway are: HYDRADEV_BIN, else what ./dev build made."""
    if "HYDRADEV_BIN" in os.environ:
        return pathlib.Path(os.environ["HYDRADEV_BIN"])
    return pathlib.Path(os.environ.get("HYDRADEV_BUILD", REPO / "build/release")) / "bin"


def free_port():
    """A port that nobody listens on, below those the kernel gives to outgoing connections."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def wait_for(condition, what, seconds=PATIENCE_S):
    """Polls until `condition` returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.05)


def exports(settings):
    """Lines of a shell script that override settings by their path in the YAML."""
    return [f"export HYDRA_{path.upper().replace('.', '_')}='{value}'"
            for path, value in settings.items()]


class Grid:
    """`gateway` and `agent` are settings by their path in the YAML: {"s3.head_timeout": "2s"}."""

    def __init__(self, directory, nodes=6, profile="4+2", gateway=None, agent=None):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "grid"
        self.nodes = nodes
        self.profile = profile
        self.port = free_port()
        self.scheme = "http"
        self.settings = {"hydra-gateway": gateway or {}, "hydra-agent": agent or {},
                         "hydractl": {}}
        self.programs = {}  # of single agents: (words before the command, further settings)
        self.bin = self.directory / "bin"
        self.children = []

    # ---- life ------------------------------------------------------------------------------------

    def dev(self, *arguments):
        """Runs ./dev with these binaries; returns the finished process, its output as text."""
        env = dict(os.environ, HYDRADEV_BIN=str(self.bin))
        return subprocess.run([DEV, *arguments], env=env, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_S)

    def write_programs(self):
        """Programs that give our settings to the real ones, as environment variables."""
        self.bin.mkdir(parents=True, exist_ok=True)
        for program, settings in self.settings.items():
            lines = ["#!/bin/sh", *exports(settings)]
            if program == "hydra-agent":
                for name, (before, further) in self.programs.items():
                    lines += [f'case "$*" in */conf/{name}.yaml)', *exports(further),
                              f"exec {' '.join(before)} '{binaries() / program}' \"$@\"", ";;", "esac"]
            lines.append(f"exec '{binaries() / program}' \"$@\"")
            target = self.bin / program
            target.write_text("\n".join(lines) + "\n")
            target.chmod(0o755)

    def up(self):
        """Starts whatever does not run, and waits until requests are served."""
        self.write_programs()
        for attempt in range(5):
            result = self.dev("up", "--detach", "--data", self.data, "--port", str(self.port),
                              "--nodes", str(self.nodes), "--profile", self.profile)
            if result.returncode == 0:
                break
            if "is in use by another program" not in result.stdout or attempt == 4:
                raise AssertionError("./dev up failed:\n" + result.stdout)
            self.port = free_port()
        self.read_credentials()

    def down(self):
        result = self.dev("down", "--data", self.data)
        if result.returncode != 0:
            raise AssertionError("./dev down failed:\n" + result.stdout)

    def read_credentials(self):
        values = {}
        for line in (self.data / "credentials").read_text().splitlines():
            name, _, value = line.partition("=")
            values[name.strip()] = value.strip()
        self.access_key = values["aws_access_key_id"]
        self.secret_key = values["aws_secret_access_key"]

    # ---- processes -------------------------------------------------------------------------------

    def pid_of(self, name):
        """The process of that name (gateway, agent-3), or None if it does not run."""
        config = str(self.data / "conf" / f"{name}.yaml").encode()
        try:
            pid = int((self.data / "run" / f"{name}.pid").read_text())
            process = pathlib.Path(f"/proc/{pid}")
            # Empty is that of a dead process nobody waited for and, for a moment, of one in exec().
            while not (words := (process / "cmdline").read_bytes()):
                if (process / "stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                    return None
        except (OSError, ValueError):
            return None
        return pid if config in words.split(b"\0") else None

    def signal(self, name, number):
        pid = self.pid_of(name)
        assert pid is not None, f"{name} does not run"
        os.kill(pid, number)

    def kill(self, *names):
        """kill -9, and waits until they are gone."""
        for name in names:
            self.signal(name, signal.SIGKILL)
        for name in names:
            wait_for(lambda: self.pid_of(name) is None, f"{name} to die")

    def start(self, name):
        """Starts one process without ./dev and without waiting for anything."""
        program = "hydra-gateway" if name == "gateway" else "hydra-agent"
        self.write_programs()
        with open(self.data / "log" / f"{name}.log", "ab") as log:
            child = subprocess.Popen(
                [self.bin / program, "--config", self.data / "conf" / f"{name}.yaml"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.children.append(child)
        (self.data / "run" / f"{name}.pid").write_text(str(child.pid))

    def agents(self):
        return [f"agent-{i}" for i in range(1, self.nodes + 1)]

    # ---- what it says of itself ------------------------------------------------------------------

    @property
    def endpoint(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def cluster(self):
        """GET /health/cluster, or None while nobody answers."""
        try:
            with urllib.request.urlopen(self.endpoint + "/health/cluster", timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except (OSError, ValueError):
            return None

    def wait_for_nodes(self, healthy):
        def reached():
            status = self.cluster()
            return status is not None and status.get("nodes", {}).get("healthy") == healthy
        wait_for(reached, f"{healthy} healthy nodes; last: {self.cluster()}")

    def make_whole(self):
        """All processes run and all nodes are known to be well."""
        if self.pid_of("gateway") is None or any(self.pid_of(a) is None for a in self.agents()):
            self.up()
        self.wait_for_nodes(self.nodes)

    def log_tail(self, lines=15):
        """The last warnings and errors of the gateway."""
        try:
            text = (self.data / "log/gateway.log").read_text(errors="replace").splitlines()
        except OSError:
            return "(no log)"
        loud = [line for line in text if " warning " in line or " error " in line]
        return "\n".join((loud or text)[-lines:])
