"""What ./dev and the processes say and do for the person who runs them."""
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

import sigv4
from grid import PATIENCE_S, Grid, binaries
from gridtest import GridTest


class TwoGrids(GridTest):
    def test_live_side_by_side_and_end_alone(self):
        other = Grid(self.directory / "other", nodes=3, profile="1+2")
        other.up()
        self.addCleanup(other.down)
        answers = {}
        for grid, body in ((self.grid, b"of one"), (other, b"of the other")):
            s3 = sigv4.S3(grid)
            self.assertEqual(s3.request("PUT", "bucket").status, 200)
            self.assertEqual(s3.put("bucket", "key", body).status, 200)
            answers[grid] = s3
        self.assertEqual(answers[self.grid].get("bucket", "key").body, b"of one")
        self.assertEqual(answers[other].get("bucket", "key").body, b"of the other")
        self.assertNotEqual(self.grid.access_key, other.access_key)
        stranger = answers[other].request("GET", access=self.grid.access_key,
                                          secret=self.grid.secret_key)
        self.assertEqual(stranger.code, "InvalidAccessKeyId")
        other.down()
        self.assertEqual(answers[self.grid].get("bucket", "key").body, b"of one")
        for s3 in answers.values():
            s3.close()


class Dev(GridTest):
    nodes = 3
    profile = "1+2"

    def test_up_twice_keeps_what_runs_and_down_twice_is_fine(self):
        before = {name: self.grid.pid_of(name) for name in ["gateway", *self.grid.agents()]}
        self.grid.up()
        self.assertEqual(before, {name: self.grid.pid_of(name) for name in before})
        self.grid.down()
        self.assertIn("was not running", self.grid.dev("down", "--data", self.grid.data).stdout)
        self.grid.up()

    def test_port_in_use_is_told(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            other = self.work / "other"
            result = self.grid.dev("up", "--detach", "--data", other, "--port", port)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(f"port {port}", result.stdout)
            self.assertIn("in use", result.stdout)
            self.assertIn("--port", result.stdout)
            # The gateway itself says so, too, where nobody looked before.
            config = (self.grid.data / "conf/gateway.yaml").read_text()
            config = config.replace(f"127.0.0.1:{self.grid.port}", f"127.0.0.1:{port}")
            config = config.replace(str(self.grid.data / "gateway"), str(other / "gateway"))
            self.assertRegex(run_with_config(self, "hydra-gateway", config),
                             f"127.0.0.1:{port} is already in use")

    def test_bad_options_are_told(self):
        for options, told in ((["--nodes", "0"], "--nodes 0"), (["--bogus"], "--bogus"),
                              (["--port", "70000"], "--port 70000"),
                              (["--profile", "4-2"], "--profile 4-2"),
                              (["--nodes", "2", "--profile", "4+2"], "needs at least 3 nodes")):
            result = self.grid.dev("up", "--detach", "--data", self.work / "x", *options)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(told, result.stdout)
            self.assertFalse((self.work / "x/run").exists())


def run_with_config(test, program, text):
    """What the program says of this configuration; it must end by itself, with an error."""
    config = test.work / "config.yaml"
    config.write_text(text)
    result = subprocess.run([binaries() / program, "--config", config], text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=PATIENCE_S, cwd=test.work)
    test.assertGreater(result.returncode, 0, result.stdout)
    return result.stdout


class Configuration(unittest.TestCase):
    """Mistakes are all told, with the line and the key, before anything is opened."""

    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="config-"))
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)

    GATEWAY = ("s3:\n  listen: 127.0.0.1:1\ngrid:\n  listen: 127.0.0.1:2\ncatalog:\n"
               "  directory: catalog\nkeys:\n  file: keys\ncredentials:\n  file: users\n")

    def assert_told(self, program, text, *words):
        said = run_with_config(self, program, text)
        for word in words:
            self.assertIn(word, said)
        self.assertEqual(os.listdir(self.work), ["config.yaml"])

    def test_unknown_key_is_told_with_its_line_and_the_nearest(self):
        self.assert_told("hydra-gateway", self.GATEWAY.replace("listen:", "lisen:"),
                         "config.yaml:2: s3.lisen", "listen")

    def test_wrong_values_are_told_with_their_lines(self):
        text = self.GATEWAY + "storage:\n  profile: 4x2\n  memory: lots\n  grace: [1, 2]\n"
        self.assert_told("hydra-gateway", text, ":12: storage.profile", ":13: storage.memory",
                         ":14: storage.grace")

    def test_broken_yaml_is_told_with_its_line(self):
        self.assert_told("hydra-gateway", "s3:\n  listen: [1,\n", "config.yaml:")
        self.assert_told("hydra-gateway", "s3:\n\tlisten: x\n", "config.yaml:2")
        self.assert_told("hydra-gateway", self.GATEWAY + "s3:\n  region: x\n",
                         ':11: key "s3" stands already in line 1')

    def test_missing_keys_are_told(self):
        self.assert_told("hydra-gateway", "s3:\n  listen: 127.0.0.1:1\n",
                         "catalog.directory", "keys.file", "credentials.file")
        self.assert_told("hydra-agent", "agent:\n  zone: a\n", "agent.name", "agent.data")

    def test_agents_mistakes_are_told_too(self):
        text = "agent:\n  name: a\n  data: d\n  capcity: 5GiB\n"
        self.assert_told("hydra-agent", text, ":4: agent.capcity", "capacity")

    def test_missing_files_are_told(self):
        self.assert_told("hydra-gateway", self.GATEWAY, str(self.work / "users"))
        result = subprocess.run([binaries() / "hydra-gateway", "--config", self.work / "none.yaml"],
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                timeout=PATIENCE_S)
        self.assertGreater(result.returncode, 0)
        self.assertIn("none.yaml", result.stdout)
