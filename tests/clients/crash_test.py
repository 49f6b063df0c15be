"""Processes are killed under a writer that records what was acknowledged."""
import collections
import http.client
import itertools
import random
import signal
import threading
import time

import sigv4
from grid import wait_for
from gridtest import DOOMED, MIB, GridTest, random_bytes
from tap import Tap

ABSENT = None
GONE = (OSError, http.client.HTTPException)


class Writer(threading.Thread):
    """Puts, replaces and deletes objects under its own keys until told to stop. `states` has, for
    each key, the bodies that it may have now: one once it was acknowledged, two after a request
    without an answer."""

    def __init__(self, grid, bucket, name, seed):
        super().__init__(daemon=True)
        self.s3 = sigv4.S3(grid)
        self.bucket = bucket
        self.prefix = f"{name}/"
        self.random = random.Random(seed)
        self.pool = random_bytes(4 * MIB, seed)
        self.states = collections.defaultdict(lambda: [ABSENT])
        self.acknowledged = 0
        self.stopping = threading.Event()
        self.strange = []

    def run(self):
        while not self.stopping.is_set():
            key = self.prefix + str(self.random.randrange(40))
            before = self.states[key]
            body = ABSENT if self.random.random() < 0.15 else self.choose_body()
            self.states[key] = before + [body]
            try:
                answer = self.put_in_parts(key, body) if body and len(body) > 2 * MIB else (
                    self.s3.request("DELETE", self.bucket, key) if body is ABSENT
                    else self.s3.put(self.bucket, key, body))
            except GONE:
                time.sleep(0.05)
                continue
            if answer.status in (200, 204):
                self.states[key] = [body]
                self.acknowledged += 1
            elif answer.status != 503:
                self.strange.append(answer)

    def choose_body(self):
        length = self.random.choice([0, 1, 300, 20_000, 70_000, 300_000, 2 * MIB + 5])
        start = self.random.randrange(len(self.pool) - length)
        return self.pool[start:start + length]

    def put_in_parts(self, key, body):
        answer = self.s3.request("POST", self.bucket, key, {"uploads": ""})
        if answer.status != 200:
            return answer
        upload = answer.body.split(b"<UploadId>")[1].split(b"<")[0].decode()
        query = {"partNumber": "1", "uploadId": upload}
        part = self.s3.request("PUT", self.bucket, key, query, body=body)
        if part.status != 200:
            return part
        document = ("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"
                    f"{part.headers['ETag']}</ETag></Part></CompleteMultipartUpload>").encode()
        return self.s3.request("POST", self.bucket, key, {"uploadId": upload}, body=document)

    def stop(self):
        self.stopping.set()
        self.join()
        self.s3.close()


class Crashes(GridTest):
    seeds = itertools.count(0, 4)

    def setUp(self):
        super().setUp()
        self.s3 = sigv4.S3(self.grid)
        self.addCleanup(self.s3.close)
        self.bucket = "b" + format(abs(hash(self.id())), "x")
        self.assertEqual(self.s3.request("PUT", self.bucket).status, 200)

    def verify(self, writers):
        """What was acknowledged is served, byte for byte, and nothing else is to be seen."""
        prefixes = {writer.prefix for writer in writers}
        listed = {key for key in self.s3.keys(self.bucket)
                  if key.partition("/")[0] + "/" in prefixes}
        allowed = {}
        for writer in writers:
            self.assertEqual(writer.strange, [])
            allowed.update(writer.states)
        self.assertLessEqual(listed, set(allowed))
        for key, bodies in allowed.items():
            answer = self.s3.get(self.bucket, key)
            self.assertIn(answer.status, (200, 404), f"{key}: {answer}")
            found = answer.body if answer.status == 200 else ABSENT
            self.assertTrue(found in bodies, f"{key}: none of the {len(bodies)} bodies it may have "
                            f"but {'none' if found is None else len(found)}")
            self.assertEqual(key in listed, found is not ABSENT, key)

    def under_writers(self, disaster, rounds):
        """Calls `disaster` again and again while four write; verifies after each."""
        first = next(self.seeds)
        writers = [Writer(self.grid, self.bucket, f"w{first + i}", first + i) for i in range(4)]
        for writer in writers:
            writer.start()
        try:
            for number in range(rounds):
                goal = sum(w.acknowledged for w in writers) + 30
                wait_for(lambda: sum(w.acknowledged for w in writers) >= goal, "some writes")
                time.sleep(random.random() * 0.3)
                disaster(number)
        finally:
            for writer in writers:
                writer.stop()
        self.s3.close()
        self.verify(writers)

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
        for length in (0, 5, 100_000, 3 * MIB):
            answer = self.s3.put(self.bucket, "refused", random_bytes(length, 1))
            if length == 0:  # needs no node
                self.assertEqual(answer.status, 200)
                self.assertEqual(self.s3.request("DELETE", self.bucket, "refused").status, 204)
                continue
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
        self.assertEqual(self.s3.put(self.bucket, "again", body).status, 200)
