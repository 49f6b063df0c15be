"""What the gateway refuses, over raw sockets: each limit a test."""
import base64
import hashlib
import time
import zlib

import sigv4
from grid import wait_for
from gridtest import MIB, GridTest, random_bytes
from raw import Raw, signed_head

GIB = 1 << 30


class LimitTest(GridTest):
    nodes = 3
    profile = "1+2"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.s3 = sigv4.S3(cls.grid)
        answer = cls.s3.request("PUT", "limits")
        assert answer.status == 200, answer

    @classmethod
    def tearDownClass(cls):
        cls.s3.close()

    def setUp(self):
        super().setUp()
        self.s3.close()  # after a pause the server may have closed it

    def exchange(self, data, finish=False):
        """Sends it on a connection of its own; returns the answer and whether the server then
        closed the connection."""
        with Raw(self.grid) as raw:
            raw.send(data)
            if finish:
                raw.finish_sending()
            answer = raw.answer()
            return answer, answer is None or raw.closes()

    def assert_error(self, answer, status, code, what=None):
        self.assertIsNotNone(answer, what)
        self.assertEqual((answer.status, answer.code), (status, code), f"{what}: {answer}")

    def assert_absent(self, key):
        self.assertEqual(self.s3.get("limits", key).status, 404, key)
        self.assertNotIn(key, self.s3.keys("limits"))


class Heads(LimitTest):
    def assert_refused(self, cases):
        """Each is answered 400 and the connection ends, whatever follows on it."""
        follower = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        begun = {}  # all at once: the server waits a second for each client to hang up
        for what, data in cases.items():
            begun[what] = Raw(self.grid)
            data = data if isinstance(data, bytes) else data.encode("latin-1")
            begun[what].send(data + follower)
        for what, raw in begun.items():
            with self.subTest(what), raw:
                answer = raw.answer()
                self.assertIsNotNone(answer)
                self.assertEqual(answer.status, 400, answer)
                self.assertIn(answer.code, ("BadRequest", "RequestHeaderSectionTooLarge"))
                self.assertTrue(raw.closes())
        self.assertEqual(self.s3.request("GET").status, 200)

    def head(self, *lines, first="GET / HTTP/1.1"):
        return "\r\n".join([first, "Host: x", *lines]) + "\r\n\r\n"

    def test_size_of_head_and_number_of_fields(self):
        self.assert_refused({
            "over 16 KiB in one field": self.head("X-Fill: " + "x" * 17000),
            "over 16 KiB in many": self.head(*[f"X-{i}: " + "x" * 300 for i in range(60)]),
            "over 16 KiB without an end": "GET / HTTP/1.1\r\nX: " + "x" * 20000,
            "a long target": self.head(first=f"GET /{'x' * 9000} HTTP/1.1"),
            "101 fields": self.head(*[f"X-{i}: 1" for i in range(100)]),
        })

    def test_heads_below_the_limits_are_served(self):
        for lines in (["X-Fill: " + "x" * 15000], [f"X-{i}: 1" for i in range(98)]):
            answer, _ = self.exchange(self.head("Connection: close", *lines,
                                                first="GET /health/live HTTP/1.1"))
            self.assertEqual(answer.status, 200)

    def test_two_ways_to_tell_the_length(self):
        put = "PUT /limits/k HTTP/1.1"
        self.assert_refused({
            "both": self.head("Content-Length: 5", "Transfer-Encoding: chunked", first=put),
            "both, other order": self.head("Transfer-Encoding: chunked", "Content-Length: 5",
                                           first=put),
            "two lengths": self.head("Content-Length: 5", "Content-Length: 6", first=put),
            "the same twice": self.head("Content-Length: 5", "Content-Length: 5", first=put),
            "two in one": self.head("Content-Length: 5, 5", first=put),
        })

    def test_malformed_lengths_and_codings(self):
        put = "PUT /limits/k HTTP/1.1"
        lengths = ["", "1x", "-1", "+1", "0x10", "1 2", "1.0", "99999999999999999999", "\u00b2"]
        codings = ["gzip", "gzip, chunked", "chunked, chunked", "identity", "xchunked",
                   "chunked;q=1"]
        self.assert_refused({
            **{f"length {v!r}": self.head(f"Content-Length: {v}", first=put) for v in lengths},
            **{f"coding {v!r}": self.head(f"Transfer-Encoding: {v}", first=put) for v in codings},
        })

    def test_line_ends_folds_and_control_bytes(self):
        self.assert_refused({
            "bare LF": "GET / HTTP/1.1\nHost: x\n\n",
            "one bare LF": "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
            "bare CR in a value": self.head("X: a\rb"),
            "bare CR before a name": self.head("\rX: a"),
            "fold": self.head("X: a", " b"),
            "fold with a tab": self.head("X: a", "\tb"),
            "fold of the first field": "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
            "NUL in a value": self.head("X: a\0b"),
            "NUL in a name": self.head("X\0Y: a"),
            "NUL in the target": self.head(first="GET /\0 HTTP/1.1"),
            "another control byte": self.head("X: a\x01b"),
            "DEL": self.head("X: a\x7fb"),
        })

    def test_methods_versions_and_targets(self):
        self.assert_refused({
            "unknown method": self.head(first="BREW / HTTP/1.1"),
            "lower case": self.head(first="get / HTTP/1.1"),
            "PATCH": self.head(first="PATCH / HTTP/1.1"),
            "CONNECT": self.head(first="CONNECT x:80 HTTP/1.1"),
            "no method": self.head(first=" / HTTP/1.1"),
            "no version": self.head(first="GET /"),
            "HTTP/2": self.head(first="GET / HTTP/2.0"),
            "HTTP/1.10": self.head(first="GET / HTTP/1.10"),
            "space in the target": self.head(first="GET /a b HTTP/1.1"),
            "fragment": self.head(first="GET /a#b HTTP/1.1"),
            "no path": self.head(first="GET a HTTP/1.1"),
            "a TLS hello": b"\x16\x03\x01\x02\x00\x01" + b"\xfa" * 200 + b"\r\n\r\n",
        })

    def test_malformed_fields(self):
        self.assert_refused({
            "space before the colon": self.head("X : a"),
            "no colon": self.head("X"),
            "no name": self.head(": a"),
            "space in a name": self.head("X Y: a"),
            "two hosts": self.head("Host: y"),
            "no host": "GET / HTTP/1.1\r\nX: y\r\n\r\n",
        })


class Bodies(LimitTest):
    def put(self, key, body, headers=None, finish=False, **options):
        headers = {"Content-Length": str(len(body)), **(headers or {})}
        payload = options.pop("payload", sigv4.UNSIGNED)
        head = signed_head(self.grid, "PUT", "limits", key, headers, payload=payload, **options)
        return self.exchange(head.encode() + body, finish)

    def test_body_shorter_than_declared_leaves_nothing(self):
        self.assertEqual(self.s3.put("limits", "old", b"as it was").status, 200)
        for length in (1, 1000, MIB, 5 * MIB):
            for key in ("short", "old"):
                answer, closed = self.put(key, random_bytes(length, length),
                                          {"Content-Length": str(length + 1)}, finish=True)
                if answer is not None:
                    self.assert_error(answer, 400, "IncompleteBody")
                self.assertTrue(closed)
        self.assert_absent("short")
        self.assertEqual(self.s3.get("limits", "old").body, b"as it was")

    def test_wrong_digests_leave_nothing(self):
        body = random_bytes(100_000, "digests")
        other = b"other"

        def md5(data):
            return base64.b64encode(hashlib.md5(data).digest()).decode()

        def crc(data):
            return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()

        def sha(data):
            return base64.b64encode(hashlib.sha256(data).digest()).decode()

        cases = {
            "MD5": ({"Content-MD5": md5(other)}, sigv4.UNSIGNED, "BadDigest"),
            "no MD5": ({"Content-MD5": "nonsense"}, sigv4.UNSIGNED, "InvalidDigest"),
            "short MD5": ({"Content-MD5": "AAAA"}, sigv4.UNSIGNED, "InvalidDigest"),
            "payload": ({}, hashlib.sha256(other).hexdigest(), "XAmzContentSHA256Mismatch"),
            "CRC32": ({"x-amz-checksum-crc32": crc(other)}, sigv4.UNSIGNED, "BadDigest"),
            "SHA256": ({"x-amz-checksum-sha256": sha(other)}, sigv4.UNSIGNED, "BadDigest"),
            "no CRC32": ({"x-amz-checksum-crc32": "??"}, sigv4.UNSIGNED, "BadDigest"),
            "two kinds": ({"x-amz-checksum-crc32": crc(body), "x-amz-checksum-sha256": sha(body)},
                          sigv4.UNSIGNED, "InvalidRequest"),
        }
        for what, (headers, payload, code) in cases.items():
            with self.subTest(what):
                answer, _ = self.put("digest", body, {**headers, "Connection": "close"},
                                     payload=payload)
                self.assert_error(answer, 400, code)
                self.assert_absent("digest")
        answer, _ = self.put(
            "digest", body, {"Content-MD5": md5(body), "x-amz-checksum-crc32": crc(body),
                             "Connection": "close"}, payload=hashlib.sha256(body).hexdigest())
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(self.s3.get("limits", "digest").body, body)

    def test_wrong_trailers_and_chunks_leave_nothing(self):
        data = b"0123456789" * 1000
        good = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
        wrong = base64.b64encode(zlib.crc32(b"").to_bytes(4, "big")).decode()
        chunk = b"%x\r\n%s\r\n" % (len(data), data)

        def end(value):
            return f"0\r\nx-amz-checksum-crc32:{value}\r\n\r\n".encode()

        cases = {
            "wrong checksum": (chunk + end(wrong), len(data), "BadDigest"),
            "no trailer": (chunk + b"0\r\n\r\n", len(data), None),
            "no last chunk": (chunk, len(data), None),
            "fewer than declared": (chunk + end(good), len(data) + 1, None),
            "more than declared": (chunk + end(good), len(data) - 1, None),
            "no chunk size": (b"zz\r\n" + chunk, len(data), None),
            "huge chunk size": (b"f" * 40 + b"\r\n" + chunk, len(data), None),
            "chunk without an end": (chunk[:-2] + end(good), len(data), None),
        }
        for what, (body, declared, code) in cases.items():
            with self.subTest(what):
                headers = {"Content-Encoding": "aws-chunked",
                           "x-amz-trailer": "x-amz-checksum-crc32",
                           "x-amz-decoded-content-length": str(declared), "Connection": "close"}
                answer, _ = self.put("chunks", body, headers, finish=True,
                                     payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
                self.assertIsNotNone(answer)
                self.assertEqual(answer.status, 400, answer)
                if code:
                    self.assertEqual(answer.code, code)
                self.assert_absent("chunks")
        answer, _ = self.put(
            "chunks", chunk + end(good),
            {"Content-Encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32",
             "x-amz-decoded-content-length": str(len(data)), "Connection": "close"},
            payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(self.s3.get("limits", "chunks").body, data)

    def test_length_is_demanded_and_bounded(self):
        for headers, status, code in (
                ({}, 411, "MissingContentLength"),
                ({"Transfer-Encoding": "chunked"}, 411, "MissingContentLength"),
                ({"Content-Length": str(5 * GIB + 1)}, 400, "EntityTooLarge"),
                ({"Content-Length": "999999999999999999"}, 400, "EntityTooLarge")):
            with self.subTest(headers):
                head = signed_head(self.grid, "PUT", "limits", "long",
                                   {**headers, "Connection": "close"}, payload=sigv4.UNSIGNED)
                self.assert_error(self.exchange(head)[0], status, code)
        # 5 GiB are invited; the client changes its mind.
        with Raw(self.grid) as raw:
            raw.send(signed_head(self.grid, "PUT", "limits", "long",
                                 {"Content-Length": str(5 * GIB), "Expect": "100-continue"},
                                 payload=sigv4.UNSIGNED))
            self.assertTrue(raw.more())
            self.assertTrue(raw.received.startswith(b"HTTP/1.1 100 "), raw.received)
        self.assert_absent("long")

    def test_parts_have_their_limits(self):
        answer = self.s3.request("POST", "limits", "parts", {"uploads": ""})
        upload = answer.body.split(b"<UploadId>")[1].split(b"<")[0].decode()
        for number in ("0", "10001", "-1", "x", ""):
            answer = self.s3.request("PUT", "limits", "parts",
                                     {"partNumber": number, "uploadId": upload}, body=b"x")
            self.assert_error(answer, 400, "InvalidArgument", number)
        etags = []
        for number in ("1", "2"):
            answer = self.s3.request("PUT", "limits", "parts",
                                     {"partNumber": number, "uploadId": upload}, body=b"small")
            etags.append(answer.headers["ETag"])
        document = "<CompleteMultipartUpload>" + "".join(
            f"<Part><PartNumber>{i + 1}</PartNumber><ETag>{etag}</ETag></Part>"
            for i, etag in enumerate(etags)) + "</CompleteMultipartUpload>"
        answer = self.s3.request("POST", "limits", "parts", {"uploadId": upload},
                                 body=document.encode())
        self.assert_error(answer, 400, "EntityTooSmall")
        document = document.replace(etags[0], '"' + "0" * 32 + '"')
        answer = self.s3.request("POST", "limits", "parts", {"uploadId": upload},
                                 body=document.encode())
        self.assert_error(answer, 400, "InvalidPart")
        self.assert_absent("parts")

    def test_metadata_is_bounded(self):
        answer, _ = self.put("meta", b"x", {"x-amz-meta-a": "x" * 2050, "Connection": "close"})
        self.assert_error(answer, 400, "MetadataTooLarge")
        self.assert_absent("meta")
        answer, _ = self.put("meta", b"x", {"x-amz-meta-a": "x" * 2047, "Connection": "close"})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(self.s3.get("limits", "meta").headers["x-amz-meta-a"], "x" * 2047)


class Documents(LimitTest):
    def assert_malformed(self, documents):
        answer = self.s3.request("POST", "limits", "xml", {"uploads": ""})
        upload = answer.body.split(b"<UploadId>")[1].split(b"<")[0].decode()
        for what, document in documents.items():
            with self.subTest(what):
                body = document if isinstance(document, bytes) else document.encode()
                md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
                for method, key, query in (("POST", "", {"delete": ""}),
                                           ("POST", "xml", {"uploadId": upload})):
                    answer = self.s3.request(method, "limits", key, query, {"Content-MD5": md5},
                                             body)
                    self.assertEqual(answer.status, 400, answer)
                    self.assertIn(answer.code, ("MalformedXML", "MissingRequestBodyError"))
        self.assertEqual(self.s3.request("GET", "limits").status, 200)

    def test_malformed_documents(self):
        self.assert_malformed({
            "nothing": "",
            "no XML": "hello",
            "cut": "<Delete><Object><Key>k</Key>",
            "crossed": "<Delete><Object></Delete></Object>",
            "another root": "<Other/>",
            "empty root": "<Delete/>",
            "not UTF-8": b"<Delete><Object><Key>\xff\xfe</Key></Object></Delete>",
            "UTF-16": "<Delete><Object><Key>k</Key></Object></Delete>".encode("utf-16"),
            "NUL": b"<Delete><Object><Key>a\0b</Key></Object></Delete>",
        })

    def test_entities_are_refused(self):
        levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
        document = "<Delete><Object><Key>&{};</Key></Object></Delete>"
        self.assert_malformed({
            "DTD": "<!DOCTYPE Delete>" + document.format("amp"),
            "entity": '<!DOCTYPE d [<!ENTITY x "y">]>' + document.format("x"),
            "file": '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + document.format("x"),
            "laughs": f'<!DOCTYPE d [<!ENTITY l0 "lol">{levels}]>' + document.format("l9"),
            "lower case": '<!doctype d [<!entity x "y">]>' + document.format("x"),
        })

    def test_bombs_are_refused(self):
        self.assert_malformed({
            "depth": "<Delete>" * 200_000,
            "closed depth": "<a>" * 100_000 + "</a>" * 100_000,
            "many elements": "<Delete>" + "<Object><Key>k</Key></Object>" * 1001 + "</Delete>",
            "attributes": "<Delete " + " ".join(f'a{i}="b"' for i in range(50_000)) + "></Delete>",
            "text": "<Delete>" + "x" * MIB + "</Delete>",
        })

    def test_size_is_bounded(self):
        body = b"<Delete>" + b" " * (9 * MIB) + b"</Delete>"
        for method, key, query in (("POST", "", "delete="), ("POST", "xml", "uploadId=x"),
                                   ("PUT", "", "")):
            head = signed_head(self.grid, method, "limits" if query else "another", key,
                               {"Content-Length": str(len(body)), "Connection": "close"}, query,
                               payload=sigv4.UNSIGNED)
            answer, _ = self.exchange(head)  # the body need not come
            self.assertIsNotNone(answer)
            self.assertEqual(answer.status, 400, answer)
            self.assertIn(answer.code, ("MalformedXML", "MaxMessageLengthExceeded"))


class Names(LimitTest):
    def test_bucket_names(self):
        for name in ("ab", "a" * 64, "Upper", "under_score", "-edge", "edge-", "two..dots",
                     "1.2.3.4", "sp ace", "ümlaut", ".dot", "xn--x", "x-s3alias"):
            path = "/" + sigv4.encode(name)
            answer, _ = self.exchange(signed_head(self.grid, "PUT", "", path=path, headers={
                "Content-Length": "0", "Connection": "close"}))
            self.assert_error(answer, 400, "InvalidBucketName", name)
        for name in ("abc", "a" * 63, "a.b-c", "0-0"):
            self.assertEqual(self.s3.request("PUT", name).status, 200, name)

    def test_keys_have_1024_bytes_at_most(self):
        for key in ("k" * 1024, "ü" * 512, "x/" * 512):
            self.assertEqual(self.s3.put("limits", key, b"x").status, 200)
            self.assertEqual(self.s3.get("limits", key).body, b"x")
        for key in ("k" * 1025, "ü" * 512 + "x"):
            self.assert_error(self.s3.put("limits", key, b"x"), 400, "KeyTooLongError")
            self.assert_error(self.s3.get("limits", key), 400, "KeyTooLongError")

    def test_keys_are_utf8_and_properly_escaped(self):
        for escaped in ("%FF", "a%C0%AF", "%ED%A0%80", "%F5%80%80%80", "%zz", "%", "%4"):
            answer, _ = self.exchange(signed_head(self.grid, "PUT", "", path=f"/limits/{escaped}",
                                                  headers={"Content-Length": "0",
                                                           "Connection": "close"}))
            self.assertEqual(answer.status, 400, f"{escaped}: {answer}")
            self.assertEqual(answer.code, "InvalidURI", escaped)
        self.assertFalse([key for key in self.s3.keys("limits") if len(key) < 20])


class Signatures(LimitTest):
    def refused(self, status, code, **options):
        answer, _ = self.exchange(signed_head(self.grid, "GET", "limits",
                                              headers={"Connection": "close"}, **options))
        self.assert_error(answer, status, code)

    def test_wrong_credentials_are_told_apart(self):
        self.refused(403, "InvalidAccessKeyId", access="NOBODY")
        self.refused(403, "SignatureDoesNotMatch", secret="wrong")
        self.refused(403, "RequestTimeTooSkewed", at=time.time() - 3600)
        self.refused(403, "RequestTimeTooSkewed", at=time.time() + 3600)

    def test_anonymous_and_malformed_requests(self):
        for lines, status, code in (
                ([], 403, "AccessDenied"),
                (["Authorization: AWS4-HMAC-SHA256 nonsense"], 400, "AuthorizationHeaderMalformed"),
                (["Authorization: AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, "
                  "Signature=0", "x-amz-date: 20260101T000000Z"], 400,
                 "AuthorizationHeaderMalformed")):
            head = "\r\n".join(["GET /limits HTTP/1.1", "Host: x", "Connection: close", *lines])
            answer, _ = self.exchange(head + "\r\n\r\n")
            self.assert_error(answer, status, code, lines)

    def test_anything_changed_after_signing_is_noticed(self):
        head = signed_head(self.grid, "GET", "limits", "k",
                           headers={"Connection": "close", "x-amz-meta-a": "one"})
        for old, new in (("/limits/k", "/limits/j"), ("GET ", "DELETE "), (": one", ": two"),
                         ("/k HTTP", "/k?versionId=null HTTP")):
            answer, _ = self.exchange(head.replace(old, new, 1))
            self.assert_error(answer, 403, "SignatureDoesNotMatch", new)


class Time(LimitTest):
    """The limits of time, made short."""
    gateway = {"s3.head_timeout": "1s", "s3.idle_timeout": "2s", "s3.body_timeout": "2s"}
    SLACK_S = 30  # of a busy machine

    def within_slack(self, begun, least=0.0):
        self.assertLess(time.monotonic() - begun, self.SLACK_S)
        self.assertGreaterEqual(time.monotonic() - begun, least)

    def test_half_a_head_is_given_up(self):
        begun = time.monotonic()
        with Raw(self.grid) as raw:
            raw.send("GET / HTTP/1.1\r\nHost:")
            self.assert_error(raw.answer(), 400, "RequestTimeout")
            self.assertTrue(raw.closes())
        self.within_slack(begun, 0.9)

    def test_head_by_single_bytes_is_given_up(self):
        begun = time.monotonic()
        with Raw(self.grid) as raw:
            raw.socket.settimeout(0.1)
            for byte in b"GET / HTTP/1.1\r\n" + b"X" * 1000:
                raw.send(bytes([byte]))
                try:
                    if not raw.more() or b"\r\n\r\n" in raw.received:
                        break
                except TimeoutError:
                    pass
            raw.socket.settimeout(60)
            answer = raw.answer()
            if answer is not None:
                self.assert_error(answer, 400, "RequestTimeout")
        self.within_slack(begun, 0.9)

    def test_silent_connections_are_closed(self):
        begun = time.monotonic()
        with Raw(self.grid) as raw:
            self.assertTrue(raw.closes())
        self.within_slack(begun, 1.9)

    def test_stalled_body_is_given_up_and_leaves_nothing(self):
        begun = time.monotonic()
        with Raw(self.grid) as raw:
            raw.send(signed_head(self.grid, "PUT", "limits", "stalled",
                                 {"Content-Length": str(MIB)}, payload=sigv4.UNSIGNED))
            raw.send(b"x" * 100_000)
            answer = raw.answer()
            if answer is not None:
                self.assert_error(answer, 400, "RequestTimeout")
            self.assertTrue(raw.closes())
        self.within_slack(begun, 1.9)
        self.assert_absent("stalled")

    def test_body_by_single_bytes_is_given_up_and_leaves_nothing(self):
        begun = time.monotonic()
        with Raw(self.grid) as raw:
            raw.send(signed_head(self.grid, "PUT", "limits", "dripping",
                                 {"Content-Length": "2000"}, payload=sigv4.UNSIGNED))
            raw.socket.settimeout(0.3)
            while time.monotonic() < begun + self.SLACK_S:
                raw.send(b"x")
                try:
                    if not raw.more() or b"\r\n\r\n" in raw.received:
                        break
                except TimeoutError:
                    pass
            raw.socket.settimeout(60)
            answer = raw.answer()
            if answer is not None:
                self.assert_error(answer, 400, "RequestTimeout")
        self.within_slack(begun, 1.9)
        self.assert_absent("dripping")

    def test_client_that_does_not_read_is_cut_while_others_are_served(self):
        body = random_bytes(64 * MIB, "unread")
        self.assertEqual(self.s3.put("limits", "unread", body).status, 200)
        with Raw(self.grid) as raw:
            raw.send(signed_head(self.grid, "GET", "limits", "unread"))
            self.assertTrue(raw.more())
            end = time.monotonic() + 6
            while time.monotonic() < end:
                answer = self.s3.request("GET", "limits", query={"max-keys": "1"})
                self.assertEqual(answer.status, 200)
                time.sleep(0.5)
            got = len(raw.received)
            try:
                while data := raw.socket.recv(MIB):
                    got += len(data)
            except ConnectionResetError:
                pass
            self.assertLess(got, len(body))


class Connections(LimitTest):
    gateway = {"s3.max_connections": "20", "gateway.workers": "2"}

    def test_too_many_are_told_to_slow_down(self):
        held = [Raw(self.grid) for _ in range(60)]
        try:
            refused = []

            def some_refused():
                for raw in held:
                    raw.socket.settimeout(0.01)
                    try:
                        if raw not in refused and raw.socket.recv(1, 2):  # MSG_PEEK
                            raw.socket.settimeout(60)
                            self.assert_error(raw.answer(), 503, "SlowDown")
                            refused.append(raw)
                    except TimeoutError:
                        pass
                return len(refused) >= 15
            wait_for(some_refused, "refusals")
            self.assertLessEqual(len(held) - len(refused), 45)
        finally:
            for raw in held:
                raw.socket.close()
        wait_for(self.served, "an answer after they have gone")

    def served(self):
        try:
            return self.s3.request("GET", "limits").status == 200
        except OSError:
            return False
