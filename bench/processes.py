"""What the kernel tells of processes: CPU, peak memory, bytes written, syncs. Linux, standard library only."""

import os
import shutil
import signal
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
SYNC_EVENT = "ext4:ext4_sync_file_enter"


class Processes:
    """A named group of processes, of which the numbers are added up."""

    def __init__(self, pids):
        self.pids = list(pids)

    def cpu_seconds(self):
        return sum(self._cpu_ticks(pid) for pid in self.pids) / TICK

    def bytes_written(self):
        """Bytes that were dirtied for or sent to the storage layer; None when we may not know."""
        total = 0
        try:
            for pid in self.pids:
                counts = dict(line.split(": ") for line in read(f"/proc/{pid}/io").splitlines())
                total += int(counts["write_bytes"]) - int(counts["cancelled_write_bytes"])
        except PermissionError:
            return None
        return total

    def bytes_read(self):
        """Bytes that were fetched from the storage layer, not from the page cache; None when we may not know."""
        try:
            return sum(int(dict(line.split(": ") for line in read(f"/proc/{pid}/io").splitlines())["read_bytes"])
                       for pid in self.pids)
        except PermissionError:
            return None

    def reset_peak(self):
        for pid in self.pids:
            try:
                with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
                    file.write("5")
            except OSError:
                pass  # not ours: its peak is then of its whole life

    def peak_rss_mib(self):
        """Of the process that needs most."""
        peaks = [0.0]
        for pid in self.pids:
            for line in read(f"/proc/{pid}/status").splitlines():
                if line.startswith("VmHWM:"):
                    peaks.append(int(line.split()[1]) / 1024)
        return max(peaks)

    def alive(self):
        return all(os.path.exists(f"/proc/{pid}/stat") for pid in self.pids)

    @staticmethod
    def _cpu_ticks(pid):
        # The name may hold blanks and parentheses; fields 14 and 15 are utime and stime.
        fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])


class SyncCount:
    """Counts file syncs (fsync, fdatasync, msync, io_uring's) of processes on ext4 by perf, from outside."""

    def __init__(self, pids):
        self._perf = None
        if not pids or shutil.which("perf") is None:
            return
        command = ["perf", "stat", "-x", ",", "-e", SYNC_EVENT, "-p", ",".join(map(str, pids))]
        self._perf = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                      text=True)
        time.sleep(0.2)  # until it has attached; one that fails has ended by then

    def stop(self):
        """How many there were, or None when it cannot be known here."""
        if self._perf is None:
            return None
        if self._perf.poll() is None:
            self._perf.send_signal(signal.SIGINT)
        text = self._perf.communicate()[1]
        for line in text.splitlines():
            fields = line.split(",")
            if len(fields) > 2 and fields[2].startswith(SYNC_EVENT) and fields[0].isdigit():
                return int(fields[0])
        return None


class Profile:
    """perf record of processes into a file, when one is wanted."""

    def __init__(self, pids, path):
        self._perf = None
        if path is None:
            return
        command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-g", "-o", path, "-p",
                   ",".join(map(str, pids))]
        self._perf = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.3)

    def stop(self):
        if self._perf is not None:
            self._perf.send_signal(signal.SIGINT)
            self._perf.wait()


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def machine():
    """One line on what this ran on."""
    model = "unknown processor"
    for line in read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            model = " ".join(line.partition(":")[2].split())
            break
    memory = next(int(line.split()[1]) for line in read("/proc/meminfo").splitlines()
                  if line.startswith("MemTotal:"))
    return (f"{os.cpu_count()} x {model}, {memory / 1048576:.0f} GiB memory, "
            f"Linux {os.uname().release}")


def filesystem_of(path):
    """Type and device of the file system that holds `path`."""
    best = ("", "unknown", "")
    real = os.path.realpath(path)
    for line in read("/proc/self/mounts").splitlines():
        device, place, kind = line.split()[:3]
        if (real + "/").startswith(place.rstrip("/") + "/") and len(place) >= len(best[0]):
            best = (place, kind, device)
    return f"{best[1]} on {best[2]}"
