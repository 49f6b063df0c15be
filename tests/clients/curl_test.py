"""curl, with presigned URLs and with its own signing."""
import time

import sigv4
from gridtest import MIB, GridTest


class Curl(GridTest):
    def setUp(self):
        super().setUp()
        self.s3 = sigv4.S3(self.grid)
        self.addCleanup(self.s3.close)
        self.bucket = self._testMethodName.replace("_", "-")[:63].strip("-")
        self.assertEqual(self.s3.request("PUT", self.bucket).status, 200)

    def curl(self, *command, fails=False):
        return self.run_client("curl", "-sS", "--max-time", "150", *command, fails=fails)

    def status(self, *command):
        return int(self.curl("-o", "/dev/null", "-w", "%{http_code}", *command))

    def sign(self, method, key, **options):
        return sigv4.presign(self.grid, method, self.bucket, key, **options)

    def test_presigned_put_get_head_delete(self):
        for key, length in (("small + %ü.txt", 1000), ("empty", 0), ("large", 9 * MIB + 1)):
            data = self.write_file("data", length)
            back = self.work / "back"
            self.curl("-f", "-T", data, self.sign("PUT", key))
            self.curl("-f", "-o", back, self.sign("GET", key))
            self.assertEqual(back.read_bytes(), data.read_bytes())
            head = self.curl("-f", "-I", self.sign("HEAD", key))
            self.assertIn(f"\nContent-Length: {length}\r".lower(), head.lower())
            self.curl("-f", "-X", "DELETE", self.sign("DELETE", key))
            self.assertEqual(self.status(self.sign("GET", key)), 404)
            back.unlink(missing_ok=True)

    def test_ranges_and_interrupted_downloads(self):
        data = self.write_file("data", 3 * MIB)
        content = data.read_bytes()
        self.curl("-f", "-T", data, self.sign("PUT", "k"))
        back = self.work / "back"
        self.curl("-f", "-r", "1048570-1048600", "-o", back, self.sign("GET", "k"))
        self.assertEqual(back.read_bytes(), content[1048570:1048601])
        back.write_bytes(content[:MIB + 7])
        self.curl("-f", "-C", "-", "-o", back, self.sign("GET", "k"))
        self.assertEqual(back.read_bytes(), content)
        self.assertEqual(self.status("-r", f"{3 * MIB}-", self.sign("GET", "k")), 416)

    def test_signatures_expire_and_cover_everything(self):
        self.assertEqual(self.s3.put(self.bucket, "k", b"x").status, 200)
        self.assertEqual(self.status(self.sign("GET", "k")), 200)
        told = self.curl(self.sign("GET", "k", expires=60, at=time.time() - 300))
        self.assertIn("<Code>AccessDenied</Code>", told)
        self.assertIn("expired", told)
        url = self.sign("GET", "k")
        for changed in (url.replace("/k?", "/other?"), url.replace("Expires=600", "Expires=601"),
                        url[:-1] + ("0" if url[-1] != "0" else "1"), url + "&versionId=null"):
            self.assertIn("<Code>SignatureDoesNotMatch</Code>", self.curl(changed))
        self.assertIn("SignatureDoesNotMatch", self.curl("-X", "DELETE", url))
        self.assertIn("AuthorizationQueryParametersError",
                      self.curl(self.sign("GET", "k", expires=604801)))
        self.assertIn("AccessDenied", self.curl(f"{self.grid.endpoint}/{self.bucket}/k"))
        self.assertEqual(self.s3.get(self.bucket, "k").body, b"x")

    def test_body_without_a_length_is_refused(self):
        url = self.sign("PUT", "k")
        self.assertIn("<Code>MissingContentLength</Code>",
                      self.curl("-T", "-", "-H", "Transfer-Encoding: chunked", url))
        self.assertEqual(self.status(self.sign("GET", "k")), 404)

    def test_expect_100_continue_is_answered_before_the_body(self):
        data = self.write_file("data", 2 * MIB)
        told = self.curl("-v", "-f", "-H", "Expect: 100-continue", "--expect100-timeout", "100",
                         "-T", data, self.sign("PUT", "k"))
        self.assertIn("< HTTP/1.1 100", told)
        # Refused before the body was asked for.
        told = self.curl("-v", "-H", "Expect: 100-continue", "--expect100-timeout", "100",
                         "-T", data, self.sign("PUT", "k") + "0")
        self.assertNotIn("< HTTP/1.1 100", told)
        self.assertIn("< HTTP/1.1 403", told)

    def test_curl_signs_by_itself(self):
        signing = ("--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
                   f"{self.grid.access_key}:{self.grid.secret_key}")
        listing = self.curl(*signing, "-H", f"x-amz-content-sha256: {sigv4.EMPTY_SHA256}",
                            f"{self.grid.endpoint}/")
        self.assertIn(f"<Name>{self.bucket}</Name>", listing)

    def test_goes_on_when_two_agents_are_killed_in_the_middle(self):
        # curl does not repeat a request by itself unless told; the URL is good for both.
        again = ("-f", "--retry", "20", "--retry-delay", "1")
        data = self.write_file("data", 24 * MIB)
        with self.killing_two_agents(9 * MIB) as tap:
            url = self.sign("PUT", "k").replace(self.grid.endpoint, tap.endpoint)
            self.curl(*again, "-H", f"Host: 127.0.0.1:{self.grid.port}", "-T", data, url)
        back = self.work / "back"
        self.curl("-f", "-o", back, self.sign("GET", "k"))
        self.assertEqual(back.read_bytes(), data.read_bytes())
        self.grid.make_whole()
        with self.killing_two_agents(9 * MIB, "down") as tap:
            url = self.sign("GET", "k").replace(self.grid.endpoint, tap.endpoint)
            self.curl("-f", "-H", f"Host: 127.0.0.1:{self.grid.port}", "-o", back, url)
        self.assertEqual(back.read_bytes(), data.read_bytes())
