"""A writer that records what was acknowledged, and tests that bring disaster over a grid under it."""
import collections
import http.client
import itertools
import random
import threading
import time

import sigv4
from grid import wait_for
from gridtest import MIB, GridTest, random_bytes

ABSENT = None
GONE = (OSError, http.client.HTTPException)


class Writer(threading.Thread):
    """Puts, replaces and deletes objects under its own keys until told to stop. `states` has, for
    each key, the bodies that it may have now: one once it was acknowledged, two after a request
    without an answer."""

    def __init__(self, grid, bucket, name, seed, unsure=(503,)):
        super().__init__(daemon=True)
        self.unsure = unsure  # answers after which the object may be as before or as asked
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
            elif answer.status not in self.unsure:
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


class UnderWriters(GridTest):
    seeds = itertools.count(0, 4)
    unsure = (503,)

    def setUp(self):
        super().setUp()
        self.s3 = sigv4.S3(self.grid)
        self.addCleanup(self.s3.close)
        self.bucket = "b" + format(abs(hash(self.id())), "x")
        # Nodes that an earlier test took away are back; the journal may see that a moment later.
        wait_for(lambda: self.s3.request("PUT", self.bucket).status == 200, "a bucket to be made")

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
        """Calls `disaster` again and again while four write; verifies when they have ended."""
        first = next(self.seeds)
        writers = [Writer(self.grid, self.bucket, f"w{first + i}", first + i, self.unsure)
                   for i in range(4)]
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
