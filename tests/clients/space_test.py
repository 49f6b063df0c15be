"""What happens when the nodes' devices are full, and that space comes back."""
import re

import sigv4
from grid import wait_for
from gridtest import MIB, GridTest, random_bytes


class Space(GridTest):
    # An agent keeps 64 MiB of its capacity for deletes and compaction.
    agent = {"agent.capacity": "96MiB", "agent.log_size": "8MiB"}
    gateway = {"storage.grace": "1s"}

    def test_full_grid_refuses_writes_serves_the_rest_and_takes_writes_again(self):
        s3 = sigv4.S3(self.grid)
        self.addCleanup(s3.close)
        self.assertEqual(s3.request("PUT", "full").status, 200)
        body = random_bytes(6 * MIB, "full")
        stored = []
        for number in range(100):
            answer = s3.put("full", f"k{number:03}", body)
            if answer.status != 200:
                break
            stored.append(f"k{number:03}")
        self.assertIn(answer.code, ("InsufficientStorage", "ServiceUnavailable", "SlowDown"))
        self.assertIn(answer.status, (503, 507))
        self.assertGreater(len(stored), 5)
        self.assertLess(len(stored), 40)
        for _ in range(3):  # and it stays so
            self.assertIn(s3.put("full", "more", body).status, (503, 507))

        self.assertEqual(s3.keys("full"), stored)
        for key in stored[::3]:
            self.assertEqual(s3.get("full", key).body, body, key)
        self.assertEqual(self.grid.pid_of("gateway") is None, False)
        self.assertEqual([a for a in self.grid.agents() if self.grid.pid_of(a) is None], [])

        for key in stored[1:]:
            self.assertEqual(s3.request("DELETE", "full", key).status, 204, key)
        self.assertEqual(s3.keys("full"), stored[:1])
        wait_for(lambda: s3.put("full", "again", body).status == 200, "room after the deletes")
        self.assertEqual(s3.get("full", "again").body, body)
        self.assertEqual(s3.get("full", stored[0]).body, body)


class CopiedRange(GridTest):
    agent = {"agent.log_size": "32MiB"}
    gateway = {"storage.grace": "1s"}

    def disks(self):
        """What the nodes' logs take up on their devices, holes not counted."""
        return sum(log.stat().st_blocks * 512 for log in self.grid.data.rglob("logs/*.log"))

    def test_of_a_deleted_object_only_the_copied_range_keeps_space(self):
        s3 = sigv4.S3(self.grid)
        self.addCleanup(s3.close)
        self.assertEqual(s3.request("PUT", "range").status, 200)
        body = random_bytes(80 * MIB, "range")
        self.assertEqual(s3.put("range", "whole", body).status, 200)

        begun = s3.request("POST", "range", "slice", query={"uploads": ""})
        upload = re.search(rb"<UploadId>([^<]+)</UploadId>", begun.body)[1].decode()
        first, last = 63 * MIB + 12345, 66 * MIB  # across the border of its two extents
        part = s3.request("PUT", "range", "slice", query={"partNumber": "1", "uploadId": upload},
                          headers={"x-amz-copy-source": "/range/whole",
                                   "x-amz-copy-source-range": f"bytes={first}-{last}"})
        self.assertEqual(part.status, 200, part)
        etag = re.search(rb"<ETag>([^<]+)</ETag>", part.body)[1].decode()
        done = s3.request("POST", "range", "slice", query={"uploadId": upload},
                          body=("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
                                f"<ETag>{etag}</ETag></Part></CompleteMultipartUpload>").encode())
        self.assertEqual(done.status, 200, done)

        before = self.disks()
        self.assertEqual(s3.request("DELETE", "range", "whole").status, 204)
        # All but the range and the ends of its segments, with the parity of 4+2.
        freed = (80 - 4) * MIB * 3 // 2
        wait_for(lambda: before - self.disks() >= freed, "the space of all but the range")
        self.assertEqual(s3.get("range", "slice").body, body[first:last + 1])
