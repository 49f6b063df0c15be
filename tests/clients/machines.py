"""Parts of a machine that tests break: file systems of their own on loop devices, and network
namespaces. Needs root. What a test did not take back (it was killed) clean_up_below() does."""
import fcntl
import os
import pathlib
import struct
import subprocess
import time
import unittest

# Stops a file system at once, without writing what it holds in memory: _IOR('X', 125, __u32) of
# ext4 and XFS, with the flag NOLOGFLUSH.
SHUTDOWN = (2 << 30) | (4 << 16) | (ord("X") << 8) | 125
NO_LOG_FLUSH = 2
NAMESPACE_PREFIX = "hydra-"


def need_root():
    if os.geteuid() != 0:
        raise unittest.SkipTest("it mounts file systems or makes networks, which takes root")


def run(*command):
    command = [str(word) for word in command]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}"
    return done.stdout


class LoopDisk:
    """An ext4 file system in a file, mounted at `mount_point`."""

    def __init__(self, image, mount_point, mib):
        self.image = pathlib.Path(image)
        self.mount_point = pathlib.Path(mount_point)
        with open(self.image, "wb") as file:
            file.truncate(mib << 20)
        run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0", self.image)
        self.mount()

    def mount(self):
        self.mount_point.mkdir(parents=True, exist_ok=True)
        run("mount", "-o", "loop,noatime", self.image, self.mount_point)

    def lose_power(self):
        """What was not synced is gone; nothing can be read or written until power_on()."""
        handle = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def power_on(self):
        """Mounts it again; its journal is replayed. Nobody may use it meanwhile."""
        # Of a process that was just killed a thread may still end.
        end = time.monotonic() + 30
        while subprocess.run(["umount", self.mount_point], stderr=subprocess.DEVNULL).returncode != 0:
            assert time.monotonic() < end, f"{self.mount_point} stays busy"
            time.sleep(0.02)
        self.mount()

    def remove(self):
        run("umount", self.mount_point)
        self.image.unlink()


class Namespace:
    """A network of its own with one cable to this one: 10.231.N.1 here, 10.231.N.2 there, where N
    depends on this process. `number` is 1 or 2."""

    def __init__(self, number):
        self.name = f"{NAMESPACE_PREFIX}{os.getpid()}-{number}"
        network = f"10.231.{os.getpid() % 120 * 2 + number}"
        self.here, self.there = f"{network}.1", f"{network}.2"
        self.cable = f"hg{os.getpid() % 100000}-{number}"
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns",
            self.name)
        run("ip", "addr", "add", f"{self.here}/24", "dev", self.cable)
        run("ip", "link", "set", self.cable, "up")
        self.inside("ip", "addr", "add", f"{self.there}/24", "dev", "eth0")
        self.inside("ip", "link", "set", "eth0", "up")
        self.inside("ip", "link", "set", "lo", "up")

    def command(self, *words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def inside(self, *command):
        return run(*self.command(*command))

    def cut(self, way="both"):
        """`up`: nothing leaves the namespace; `down`: nothing comes in."""
        if way in ("up", "both"):
            self.inside("ip", "route", "add", "blackhole", f"{self.here}/32")
        if way in ("down", "both"):
            run("ip", "route", "add", "blackhole", f"{self.there}/32")

    def heal(self):
        for command in (self.command("ip", "route", "del", "blackhole", f"{self.here}/32"),
                        ["ip", "route", "del", "blackhole", f"{self.there}/32"]):
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)

    def remove(self):
        subprocess.run(["ip", "link", "del", self.cable], stderr=subprocess.DEVNULL)
        run("ip", "netns", "del", self.name)


def clean_up_below(directory, pids):
    """Unmounts what is mounted below `directory`, and deletes the namespaces that these processes
    made."""
    prefix = str(pathlib.Path(directory)) + "/"
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        points = [line.split()[1].replace("\\040", " ") for line in mounts]
    for point in reversed(points):
        if point.startswith(prefix):
            subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL)
    namespaces = pathlib.Path("/run/netns")
    for entry in namespaces.iterdir() if namespaces.is_dir() else []:
        words = entry.name.removeprefix(NAMESPACE_PREFIX).split("-")
        if entry.name.startswith(NAMESPACE_PREFIX) and words[0] in map(str, pids):
            subprocess.run(["ip", "link", "del", f"hg{int(words[0]) % 100000}-{words[1]}"],
                           stderr=subprocess.DEVNULL)
            subprocess.run(["ip", "netns", "del", entry.name], stderr=subprocess.DEVNULL)
