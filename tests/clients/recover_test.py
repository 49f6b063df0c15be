"""The gateway's machine is lost: all processes die, its catalog is gone, and two agents with it."""
import pathlib
import shutil
import subprocess

import sigv4
from grid import PATIENCE_S, binaries, wait_for
from gridtest import DOOMED, MIB, GridTest, random_bytes


class Recover(GridTest):
    gateway = {"storage.grace": "1s"}

    def gateway_command(self, *words, fails=False):
        """Runs hydra-gateway with these words and the grid's configuration; all it says. `fails`: whether
        it must end with an error; None: it may."""
        result = subprocess.run(
            [self.grid.bin / "hydra-gateway", *words, "--config",
             self.grid.data / "conf/gateway.yaml"], timeout=PATIENCE_S, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if fails is not None:
            self.assertEqual(result.returncode != 0, fails, result.stdout)
        return result.stdout

    def write_objects(self):
        s3 = sigv4.S3(self.grid)
        self.assertEqual(s3.request("PUT", "bucket").status, 200)
        lengths = [0, 1, 300, 16_384, 16_385, 70_000, MIB, 5 * MIB + 1]
        bodies = {}
        for number in range(60):
            key = f"k/{number}"
            bodies[key] = random_bytes(lengths[number % len(lengths)], number)
            self.assertEqual(s3.put("bucket", key, bodies[key]).status, 200)
        for number in range(0, 60, 7):
            del bodies[f"k/{number}"]
            self.assertEqual(s3.request("DELETE", "bucket", f"k/{number}").status, 204)
        bodies["k/1"] = random_bytes(40_000, "replaced")
        self.assertEqual(s3.put("bucket", "k/1", bodies["k/1"]).status, 200)
        s3.close()
        return bodies

    def test_a_lost_gateway_machine_loses_nothing_acknowledged(self):
        bodies = self.write_objects()
        catalog = self.grid.data / "gateway/catalog"
        keys = self.grid.data / "gateway/master.key"
        shares = self.directory / "shares"
        hydractl = binaries() / "hydractl"
        said = self.run_client(hydractl, "key", "export", "--file", keys)
        self.assertIn(keys.read_text().splitlines()[-1], said)
        self.run_client(hydractl, "key", "export", "--file", keys, "--shares", "3", "--needed", "2",
                        "--directory", shares)

        self.grid.kill("gateway", *self.grid.agents())
        shutil.rmtree(catalog)
        keys.unlink()
        said = self.gateway_command("recover", fails=True)
        self.assertIn("there is no key file", said)
        said = self.run_client(hydractl, "key", "join", shares / "key-share-1-of-3", fails=True)
        self.assertIn("1 of the 2 that are needed", said)
        keys.write_text(self.run_client(hydractl, "key", "join", shares / "key-share-3-of-3",
                                        shares / "key-share-1-of-3"))
        said = self.gateway_command("recover", fails=True)
        self.assertIn("make it private", said)
        keys.chmod(0o600)
        for name in DOOMED:
            shutil.rmtree(self.grid.data / name)
        alive = [name for name in self.grid.agents() if name not in DOOMED]

        said = self.gateway_command("recover", "--wait", "1", fails=True)
        self.assertIn("no node has come", said)
        self.assertFalse(catalog.exists())
        for name in alive:
            self.grid.start(name)
        # A gateway with nothing in its catalog does not take them for its own.
        self.grid.start("gateway")
        log = self.grid.data / "log/gateway.log"
        wait_for(lambda: "this gateway has an empty catalog" in log.read_text(), "a hint at recover")
        self.grid.kill("gateway")
        said = self.gateway_command("recover", fails=True)
        self.assertIn("is not empty", said)
        shutil.rmtree(catalog)

        # Agents dial again every 3 s. One that comes too late costs another try, and nothing else.
        def recovered():
            said = self.gateway_command("recover", "--wait", "10", fails=None)
            return said if "nodes have come" not in said else None
        said = wait_for(recovered, "the living nodes to come")
        self.assertIn(f"recovered {len(bodies)} objects in 1 buckets from 4 nodes", said)
        self.assertIn("agent-1, agent-2", said)

        self.grid.start("gateway")
        wait_for(lambda: (self.grid.cluster() or {}).get("nodes", {}).get("healthy") == 4,
                 "the gateway to serve")
        s3 = sigv4.S3(self.grid)
        self.assertEqual(s3.keys("bucket"), sorted(bodies))
        for key, body in bodies.items():
            self.assertEqual(s3.get("bucket", key).body, body, key)
        # It goes on as before, and could be lost again.
        wait_for(lambda: s3.put("bucket", "after", b"the loss").status == 200, "a write")
        self.assertEqual(s3.get("bucket", "after").body, b"the loss")
        s3.close()
