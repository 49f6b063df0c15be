"""Devices that join a running grid over TCP, as their owner would do it."""
import json
import signal
import subprocess

import sigv4
from grid import PATIENCE_S, binaries, free_port, wait_for
from gridtest import MIB, GridTest, random_bytes


class Join(GridTest):
    nodes = 3
    profile = "2+1"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Another address than the agents' own, so that links over it are TLS over TCP.
        cls.far = f"127.0.0.2:{free_port()}"
        socket = cls.grid.data / "run/grid.sock"
        cls.grid.settings["hydra-gateway"]["grid.listen"] = f"unix:{socket},{cls.far}"
        cls.grid.kill("gateway")
        cls.grid.up()

    def ctl(self, *words, fails=False):
        return self.run_client(binaries() / "hydractl", *words, "--socket",
                               self.grid.data / "run/admin.sock", fails=fails)

    def token(self):
        return json.loads(self.ctl("node", "token", "--json"))["token"]

    def names(self):
        return [n["name"] for n in json.loads(self.ctl("node", "list", "--json"))["nodes"]]

    def epoch(self):
        result = subprocess.run([binaries() / "hydractl", "status", "--json", "--socket",
                                 self.grid.data / "run/admin.sock"], stdout=subprocess.PIPE,
                                timeout=PATIENCE_S)
        return json.loads(result.stdout)["ring_epoch"]

    def command(self, directory, token, *more):
        return [binaries() / "hydra-agent", "join", "--gateway", self.far, "--token", token,
                "--data", directory, "--capacity", "1GiB", *more]

    def spawn(self, command):
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def remove(self, name):
        """Takes a node out of the grid that has just been killed."""
        wait_for(lambda: f'"name": "{name}"' not in self.ctl("node", "list", "--json") or
                 self.removed(name), f"{name} to be removable")

    def removed(self, name):
        result = subprocess.run(
            [binaries() / "hydractl", "node", "remove", name, "--lost", "--socket",
             self.grid.data / "run/admin.sock"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=PATIENCE_S)
        return result.returncode == 0

    def test_a_device_joins_serves_comes_back_and_is_removed(self):
        self.assertIn(f"hydra-agent join --gateway {self.far} --token hg1-",
                      self.ctl("node", "token"))
        device = self.work / "device"
        agent = self.spawn(self.command(device, self.token(), "--name", "far", "--zone", "attic"))
        self.grid.wait_for_nodes(4)
        self.assertEqual((device / "secret").stat().st_mode & 0o777, 0o600)
        s3 = sigv4.S3(self.grid)
        self.addCleanup(s3.close)
        self.assertEqual(s3.request("PUT", "far").status, 200)
        # It is small beside the others, so it would get little.
        epoch = self.epoch()
        self.ctl("node", "set", "far", "--weight", "100")
        wait_for(lambda: self.epoch() > epoch, "a ring with the new node")
        body = random_bytes(3 * MIB, "far")
        for number in range(8):
            self.assertEqual(s3.put("far", f"k{number}", body).status, 200)

        agent.send_signal(signal.SIGKILL)
        agent.wait()
        self.assertIn("has joined a grid already",
                      self.run_client(*self.command(device, self.token()), fails=True))
        again = self.spawn([binaries() / "hydra-agent", "--config", device / "agent.yaml"])
        self.grid.wait_for_nodes(4)
        for number in range(8):
            self.assertEqual(s3.get("far", f"k{number}").body, body)

        self.assertIn("drain it first", self.ctl("node", "remove", "far", fails=True))
        self.assertIn("is not down", self.ctl("node", "remove", "far", "--lost", fails=True))
        again.send_signal(signal.SIGKILL)
        again.wait()
        self.remove("far")
        for number in range(8):
            self.assertEqual(s3.get("far", f"k{number}").body, body)
        late = self.spawn([binaries() / "hydra-agent", "--config", device / "agent.yaml"])
        said = b""
        while b"was removed from the grid" not in said:
            line = late.stdout.readline()
            self.assertTrue(line, said)
            said += line
        late.kill()

    def test_wrong_and_used_tokens_are_told_and_leave_nothing(self):
        device = self.work / "device"
        wrong = "hg1-" + "0" * 40
        self.assertIn("does not know this token",
                      self.run_client(*self.command(device, wrong, "--no-run"), fails=True))
        self.assertFalse(device.exists())
        token = self.token()
        self.run_client(*self.command(device, token, "--name", "one", "--no-run"))
        other = self.work / "other"
        self.assertIn("has been used",
                      self.run_client(*self.command(other, token, "--no-run"), fails=True))
        self.assertFalse(other.exists())
        self.remove("one")

    def test_a_join_that_was_killed_may_be_repeated(self):
        for number in range(8):
            device, name, token = self.work / f"d{number}", f"cut{number}", self.token()
            command = self.command(device, token, "--name", name, "--no-run")
            process = self.spawn(command)
            try:
                process.wait(timeout=0.012 * number)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if not (device / "secret").exists():
                self.run_client(*command)
            self.assertEqual(self.names().count(name), 1)
            self.remove(name)
