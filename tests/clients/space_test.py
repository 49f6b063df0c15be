"""What happens when the nodes' devices are full."""
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
