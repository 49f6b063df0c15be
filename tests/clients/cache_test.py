"""A cache node beside a running grid: it is asked first, is seen, and is missed by nobody."""
import http.client
import json
import signal
import subprocess
import urllib.request

import sigv4
from grid import binaries, wait_for
from gridtest import MIB, GridTest, random_bytes
from tap import Tap


class Cache(GridTest):
    nodes = 3
    profile = "2+1"
    gateway = {"metrics.public": "true"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.device = cls.directory / "cache"

    def ctl(self, *words):
        return self.run_client(binaries() / "hydractl", *words, "--socket",
                               self.grid.data / "run/admin.sock")

    def cache(self):
        return json.loads(self.ctl("status", "--json"))["cache"]

    def state(self):
        return [node["state"] for node in self.cache()["nodes"]]

    def start(self, *words):
        agent = subprocess.Popen([str(binaries() / "hydra-agent"), *map(str, words)],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        return agent

    def kill(self, agent):
        agent.send_signal(signal.SIGKILL)
        agent.wait()

    def metric(self, name):
        with urllib.request.urlopen(self.grid.endpoint + "/metrics") as answer:
            text = answer.read().decode()
        found = [line.rpartition(" ")[2] for line in text.splitlines()
                 if line.startswith(name + "{")]
        return sum(map(float, found))

    def get(self, key):
        answer = self.s3.get("cached", key)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.body, self.bodies[key])

    def test_reads_come_from_it_until_it_is_killed(self):
        token = json.loads(self.ctl("node", "token", "--json"))["token"]
        agent = self.start("join", "--gateway", f"unix:{self.grid.data}/run/grid.sock", "--token",
                           token, "--data", self.device, "--name", "ssd", "--capacity", "1GiB",
                           "--role", "cache")
        wait_for(lambda: self.state() == ["healthy"], "the cache node")
        self.assertEqual(self.grid.cluster()["nodes"]["healthy"], 3)
        self.assertEqual(self.grid.cluster()["verdict"], "healthy")
        self.assertIn("Cache: not asked", self.ctl("status"))

        self.s3 = sigv4.S3(self.grid)
        self.addCleanup(self.s3.close)
        self.assertEqual(self.s3.request("PUT", "cached").status, 200)
        self.bodies = {"large": random_bytes(40 * MIB, "large"), "small": b"small",
                       "middle": random_bytes(3 * MIB + 7, "middle")}
        for key, body in self.bodies.items():
            self.assertEqual(self.s3.put("cached", key, body).status, 200)

        # A worker sees a new node within a second, and fills behind the reads.
        def all_hits():
            before = self.cache()
            for key in self.bodies:
                self.get(key)
            after = self.cache()
            return (after["hits"] - before["hits"] >= 45 and after["misses"] == before["misses"])
        wait_for(all_hits, "reads that are all hits")
        status = self.cache()
        self.assertGreater(status["hit_rate"], 0)
        self.assertEqual(status["wrong"], 0)
        wait_for(lambda: self.cache()["nodes"][0]["used_bytes"] >= 43 * MIB, "its next heartbeat")
        self.assertGreaterEqual(self.metric("hydra_cache_hits_total"), 45)
        self.assertGreaterEqual(self.metric("hydra_cache_fills_total"), 45)
        self.assertIn(" reads since this gateway started", self.ctl("status"))
        row, = [line.split() for line in self.ctl("node", "list").splitlines() if " ssd " in line]
        self.assertIn("cache", row)
        self.assertEqual(row[-1], "%")

        # It dies in the middle of a read.
        with Tap(self.grid, 9 * MIB, lambda: self.kill(agent), "down") as tap:
            through = sigv4.S3(self.grid)
            self.addCleanup(through.close)
            through.connection = http.client.HTTPConnection("127.0.0.1", tap.port, timeout=60)
            answer = through.get("cached", "large")
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.body, self.bodies["large"])
        wait_for(lambda: self.state() == ["down"], "the dead cache node to be seen")
        for key in self.bodies:
            self.get(key)
        self.bodies["late"] = random_bytes(MIB, "late")
        self.assertEqual(self.s3.put("cached", "late", self.bodies["late"]).status, 200)
        self.get("late")
        self.assertEqual(self.grid.cluster()["verdict"], "healthy")

        # What it held is still there when it comes back.
        self.start("--config", self.device / "agent.yaml")
        wait_for(lambda: self.state() == ["healthy"], "the cache node to come back")
        hits = self.cache()["hits"]
        wait_for(lambda: self.get("large") or self.cache()["hits"] >= hits + 40, "hits again")
