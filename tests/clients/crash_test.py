"""Processes are killed under a writer that records what was acknowledged."""
import signal
import time

import sigv4
from grid import wait_for
from gridtest import DOOMED, MIB, random_bytes
from tap import Tap
from writers import GONE, UnderWriters


class Crashes(UnderWriters):
    def test_gateway_killed_under_writers_loses_nothing_acknowledged(self):
        def disaster(_):
            self.grid.kill("gateway")
            self.grid.up()
        for _ in range(2):
            self.under_writers(disaster, 2)

    def test_everything_killed_at_once_loses_nothing_acknowledged(self):
        def disaster(_):
            self.grid.kill("gateway", *self.grid.agents())
            self.grid.up()
            self.grid.wait_for_nodes(self.nodes)
        self.under_writers(disaster, 2)

    def test_two_agents_come_and_go_under_writers(self):
        def disaster(number):
            pair = [f"agent-{(2 * number + i) % self.nodes + 1}" for i in (0, 1)]
            self.grid.kill(*pair)
            time.sleep(1)
            self.grid.make_whole()
        self.under_writers(disaster, 2)

    def test_upload_cut_by_the_gateways_death_is_not_half_visible(self):
        self.assertEqual(self.s3.put(self.bucket, "replaced", b"the old one").status, 200)
        self.s3.close()
        for key in ("new", "replaced"):
            with Tap(self.grid, 7 * MIB, lambda: self.grid.kill("gateway")) as tap:
                told = self.run_client(
                    "curl", "-sS", "-f", "-T", self.write_file("large", 24 * MIB),
                    "-H", f"Host: 127.0.0.1:{self.grid.port}",
                    sigv4.presign(self.grid, "PUT", self.bucket, key).replace(
                        self.grid.endpoint, tap.endpoint), fails=True)
                self.assertIn("curl:", told)
            self.grid.up()
            self.assertEqual(self.s3.keys(self.bucket), ["replaced"])
            self.assertEqual(self.s3.get(self.bucket, "replaced").body, b"the old one")
            self.assertEqual(self.s3.get(self.bucket, "new").status, 404)
            self.s3.close()

    def test_down_and_up_serve_the_same_objects(self):
        bodies = {f"k{length}": random_bytes(length, length)
                  for length in (0, 1, 16384, 16385, 65536, MIB + 1, 9 * MIB)}
        for key, body in bodies.items():
            self.assertEqual(self.s3.put(self.bucket, key, body).status, 200)
        self.s3.close()
        self.grid.down()
        self.assertIsNone(self.grid.pid_of("gateway"))
        self.assertEqual([a for a in self.grid.agents() if self.grid.pid_of(a)], [])
        self.grid.up()
        self.grid.wait_for_nodes(self.nodes)
        self.assertEqual(self.s3.keys(self.bucket), sorted(bodies))
        for key, body in bodies.items():
            self.assertEqual(self.s3.get(self.bucket, key).body, body, key)

    def test_two_frozen_agents_neither_stop_writes_nor_reads(self):
        before = random_bytes(5 * MIB, "before")
        self.assertEqual(self.s3.put(self.bucket, "before", before).status, 200)
        for name in DOOMED:
            self.grid.signal(name, signal.SIGSTOP)
            self.addCleanup(self.grid.signal, name, signal.SIGCONT)

        def put(key, body):
            answer = self.s3.put(self.bucket, key, body)
            self.assertIn(answer.status, (200, 503), answer)
            return answer.status == 200

        after = random_bytes(5 * MIB, "after")
        wait_for(lambda: put("after", after), "a write on four nodes")
        wait_for(lambda: put("small", b"small"), "a small write on four nodes")
        for key, body in (("before", before), ("after", after), ("small", b"small")):
            self.assertEqual(self.s3.get(self.bucket, key).body, body, key)
        for name in DOOMED:
            self.grid.signal(name, signal.SIGCONT)
        self.grid.wait_for_nodes(self.nodes)
        for key, body in (("before", before), ("after", after), ("small", b"small")):
            self.assertEqual(self.s3.get(self.bucket, key).body, body, key)

    def test_too_few_nodes_refuse_writes_and_serve_again_when_they_are_back(self):
        body = random_bytes(3 * MIB, "kept")
        self.assertEqual(self.s3.put(self.bucket, "kept", body).status, 200)
        self.grid.kill("agent-1", "agent-2", "agent-3", "agent-4")
        # What needs no node for data needs some for the journal.
        wait_for(lambda: self.s3.request("DELETE", self.bucket, "nothing").status == 503,
                 "changes to be refused")
        for length in (0, 5, 100_000, 3 * MIB):
            answer = self.s3.put(self.bucket, "refused", random_bytes(length, 1))
            self.assertEqual(answer.status, 503, f"{length}: {answer}")
            self.assertIn(answer.code, ("ServiceUnavailable", "SlowDown"))
        self.assertEqual(self.s3.keys(self.bucket), ["kept"])
        try:  # too few shards: an error or a cut, never other bytes
            answer = self.s3.get(self.bucket, "kept")
            self.assertGreaterEqual(answer.status, 500)
        except GONE:
            pass
        self.s3.close()
        self.grid.make_whole()
        self.assertEqual(self.s3.get(self.bucket, "kept").body, body)
        wait_for(lambda: self.s3.put(self.bucket, "again", body).status == 200,
                 "writes to be taken again")
