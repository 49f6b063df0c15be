"""A machine breaks under writers: power, devices, cables. Needs root."""
import os
import pathlib
import random
import subprocess
import sys
import time

import sigv4
from grid import free_port, wait_for
from gridtest import MIB, random_bytes
from machines import LoopDisk, Namespace, need_root
from writers import UnderWriters

HERE = pathlib.Path(__file__).resolve().parent


class OnLoopDisks(UnderWriters):
    """Every agent's device, and the gateway's catalog, on a file system of its own."""
    disk_mib = 160
    # A gateway whose catalog fails a write answers 500.
    unsure = (500, 503, 507)
    agent = {"agent.log_size": "8MiB"}

    @classmethod
    def before_up(cls):
        need_root()
        cls.disks = {}
        for name in [*(f"agent-{i}" for i in range(1, cls.nodes + 1)), "gateway"]:
            disk = LoopDisk(cls.directory / f"{name}.img", cls.grid.data / name, cls.disk_mib)
            cls.addClassCleanup(disk.remove)
            cls.disks[name] = disk

    def pull_the_plug(self, *names):
        """Their file systems first, so that nothing can be written any more; then the processes."""
        for name in names:
            self.disks[name].lose_power()
        self.grid.kill(*names)
        for name in names:
            self.disks[name].power_on()


class PowerLoss(OnLoopDisks):
    def test_two_agents_lose_power_under_writers(self):
        def disaster(number):
            pair = [f"agent-{(2 * number + i) % self.nodes + 1}" for i in (0, 1)]
            self.pull_the_plug(*pair)
            self.grid.make_whole()
        self.under_writers(disaster, 3)

    def test_gateway_loses_power_under_writers(self):
        def disaster(_):
            self.pull_the_plug("gateway")
            self.grid.make_whole()
        self.under_writers(disaster, 3)

    def test_everything_loses_power_at_once_under_writers(self):
        def disaster(_):
            self.pull_the_plug("gateway", *self.grid.agents())
            self.grid.make_whole()
        self.under_writers(disaster, 3)


class FullDisks(OnLoopDisks):
    """Somebody else fills the agents' file systems, which the agents cannot know beforehand."""
    disk_mib = 256
    gateway = {"storage.grace": "1s"}  # or what the writers replace fills the devices, too

    def hog(self, name):
        target = self.grid.data / name / "hog"
        space = os.statvfs(self.grid.data / name)
        with open(target, "wb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, max(1, space.f_bavail * space.f_frsize - MIB))
            except OSError:
                pass
        return target

    def test_devices_fill_up_under_writers_and_get_their_space_back(self):
        def disaster(number):
            names = self.grid.agents()[:2] if number == 0 else self.grid.agents()
            hogs = [self.hog(name) for name in names]
            time.sleep(3)
            for hog in hogs:
                hog.unlink()
            self.assertEqual([a for a in self.grid.agents() if self.grid.pid_of(a) is None], [])

            def written():
                self.s3.close()
                return self.s3.put(self.bucket, "after", b"room" * 10_000).status == 200
            wait_for(written, "a write after the devices have room again")
            self.s3.request("DELETE", self.bucket, "after")
        self.under_writers(disaster, 2)


class CorruptedLogs(UnderWriters):
    agent = {"agent.log_size": "8MiB"}

    def corrupt(self, name, chooser):
        """Changes 200 bytes here and there in what the agent has written."""
        done = 0
        for log in sorted((self.grid.data / name / "logs").glob("*.log")):
            with open(log, "r+b", buffering=0) as file:
                content = file.read()
                used = len(content.rstrip(b"\0"))
                for _ in range(200 if used > 4096 else 0):
                    at = chooser.randrange(4096, used)
                    file.seek(at)
                    file.write(bytes([content[at] ^ chooser.randrange(1, 256)]))
                    done += 1
        self.assertGreater(done, 0)

    def test_bytes_on_two_live_agents_change_under_writers(self):
        chooser = random.Random(7)
        body = random_bytes(9 * MIB, "steady")
        self.assertEqual(self.s3.put(self.bucket, "steady", body).status, 200)

        def disaster(_):
            # Always the same two: with no repair in between, more than m shards might be hit. One of
            # them may lose a shard that a write counted on, so the writers' objects hang on one spare.
            self.corrupt("agent-1", chooser)
            answer = self.s3.get(self.bucket, "steady")
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.body, body)
        self.under_writers(disaster, 3)
        self.corrupt("agent-2", chooser)
        self.s3.close()
        self.assertEqual(self.s3.get(self.bucket, "steady").body, body)


class Partitions(UnderWriters):
    """Two agents live behind cables that are cut; a relay at each end carries their links over."""
    FAR = ("agent-1", "agent-2")

    @classmethod
    def before_up(cls):
        need_root()
        port = free_port()
        cls.grid.settings["hydra-gateway"]["grid.listen"] = (
            f"unix:{cls.grid.data}/run/grid.sock,127.0.0.1:{port}")
        cls.namespaces = []
        for number, name in enumerate(cls.FAR, 1):
            space = Namespace(number)
            cls.addClassCleanup(space.remove)
            cls.namespaces.append(space)
            near = cls.relay([], space.here, 0, "127.0.0.1", port)
            far = cls.relay(space.command(), "127.0.0.1", 0, space.here, near)
            cls.grid.programs[name] = (space.command(), {"agent.gateways": f"127.0.0.1:{far}"})

    @classmethod
    def relay(cls, within, *arguments):
        process = subprocess.Popen(
            [*within, sys.executable, str(HERE / "relay.py"), *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(process.stdout.close)
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(process.kill)
        return int(process.stdout.readline())

    def healthy(self):
        status = self.grid.cluster()
        return -1 if status is None else status["nodes"]["healthy"]

    def test_two_agents_are_cut_off_both_ways_and_one_way_under_writers(self):
        ways = ("both", "up", "down")

        def disaster(number):
            for space in self.namespaces:
                space.cut(ways[number])
            try:
                wait_for(lambda: self.healthy() == self.nodes - 2, "the cut to be noticed")
                time.sleep(1)
            finally:
                for space in self.namespaces:
                    space.heal()
            self.grid.wait_for_nodes(self.nodes)
        self.under_writers(disaster, len(ways))
