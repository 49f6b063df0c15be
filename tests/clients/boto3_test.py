"""boto3 of Debian."""
import hashlib
import io
import threading

import boto3
import botocore.config
import botocore.exceptions
from boto3.s3.transfer import TransferConfig

from gridtest import MIB, ODD_NAMES, GridTest, random_bytes

# Keys that no file could have, or that no other file could stand beside.
ODD_KEYS = ODD_NAMES + [
    "a", "a/", "a/b", "a//b", "//", "/leading", "trailing/", "./x", "../x", "a/../b", "new\nline",
    "tab\tkey", "\x01control", "back\\slash", "&amp;", "%2F", "%", "+", "#", "?", "k" * 1024,
    "\U0010ffff",
]


def client(grid, endpoint=None, secret=None, access=None, **options):
    options = {"retries": {"max_attempts": 10, "mode": "standard"}, **options}
    return boto3.client("s3", endpoint_url=endpoint or grid.endpoint, region_name="us-east-1",
                        aws_access_key_id=access or grid.access_key,
                        aws_secret_access_key=secret or grid.secret_key,
                        config=botocore.config.Config(**options))


class Boto3(GridTest):
    def setUp(self):
        super().setUp()
        self.s3 = client(self.grid)
        self.bucket = "b-" + hashlib.sha256(self.id().encode()).hexdigest()[:16]
        self.s3.create_bucket(Bucket=self.bucket)

    def body(self, key, **options):
        return self.s3.get_object(Bucket=self.bucket, Key=key, **options)["Body"].read()

    def keys(self, **options):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, **options)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def refused(self, code, call, **arguments):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**arguments)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        return caught.exception.response["ResponseMetadata"]["HTTPStatusCode"]

    def test_odd_keys_keep_their_bytes_and_their_order(self):
        for key in ODD_KEYS:
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=key.encode())
        for key in ODD_KEYS:
            self.assertEqual(self.body(key), key.encode(), key)
        in_order = sorted(ODD_KEYS, key=str.encode)
        self.assertEqual(self.keys(), in_order)
        self.assertEqual(self.keys(PaginationConfig={"PageSize": 3}), in_order)
        self.assertEqual(self.keys(Prefix="a/"), ["a/", "a/../b", "a//b", "a/b"])

        page = self.s3.list_objects_v2(Bucket=self.bucket, Delimiter="/", Prefix="a")
        self.assertEqual([item["Key"] for item in page["Contents"]], ["a", "at@"])
        self.assertEqual([item["Prefix"] for item in page["CommonPrefixes"]], ["a/"])

    def test_many_objects_are_listed_in_pages_and_deleted_at_once(self):
        wanted = [f"many/{i:04}" for i in range(1100)]
        threads = [threading.Thread(target=self.put_some, args=(wanted[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.keys(), wanted)
        for some in (wanted[:1000], wanted[1000:] + ["not there"]):
            answer = self.s3.delete_objects(
                Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in some]})
            self.assertEqual(sorted(item["Key"] for item in answer["Deleted"]), sorted(some))
            self.assertNotIn("Errors", answer)
        self.assertEqual(self.keys(), [])
        self.s3.delete_bucket(Bucket=self.bucket)
        self.s3.create_bucket(Bucket=self.bucket)

    def put_some(self, keys):
        for key in keys:
            self.s3.put_object(Bucket=self.bucket, Key=key)

    def test_multipart_upload_by_hand(self):
        content = random_bytes(12 * MIB + 5, "parts")
        upload = self.s3.create_multipart_upload(
            Bucket=self.bucket, Key="parts", Metadata={"by": "hand"})["UploadId"]
        cuts = [content[:5 * MIB], content[5 * MIB:11 * MIB], content[11 * MIB:]]
        parts = []
        for number, cut in ((7, cuts[1]), (2, cuts[0]), (10000, cuts[2])):
            etag = self.s3.upload_part(Bucket=self.bucket, Key="parts", UploadId=upload,
                                       PartNumber=number, Body=cut)["ETag"]
            parts.append({"PartNumber": number, "ETag": etag})
        self.refused("NoSuchKey", self.s3.get_object, Bucket=self.bucket, Key="parts")
        listed = self.s3.list_parts(Bucket=self.bucket, Key="parts", UploadId=upload)["Parts"]
        self.assertEqual([part["PartNumber"] for part in listed], [2, 7, 10000])
        self.refused("InvalidPartOrder", self.s3.complete_multipart_upload, Bucket=self.bucket,
                     Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
        parts.sort(key=lambda part: part["PartNumber"])
        done = self.s3.complete_multipart_upload(Bucket=self.bucket, Key="parts", UploadId=upload,
                                                 MultipartUpload={"Parts": parts})
        digest = hashlib.md5(b"".join(hashlib.md5(cut).digest() for cut in cuts)).hexdigest()
        self.assertEqual(done["ETag"], f'"{digest}-3"')
        self.assertEqual(self.body("parts"), content)
        self.assertEqual(self.body("parts", PartNumber=7), cuts[1])
        across = self.body("parts", Range=f"bytes={5 * MIB - 10}-{5 * MIB + 9}")
        self.assertEqual(across, content[5 * MIB - 10:5 * MIB + 10])
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="parts")["Metadata"],
                         {"by": "hand"})

        given_up = self.s3.create_multipart_upload(Bucket=self.bucket, Key="given up")["UploadId"]
        self.s3.upload_part(Bucket=self.bucket, Key="given up", UploadId=given_up, PartNumber=1,
                            Body=b"x")
        self.refused("BucketNotEmpty", self.s3.delete_bucket, Bucket=self.bucket)
        self.s3.abort_multipart_upload(Bucket=self.bucket, Key="given up", UploadId=given_up)
        self.refused("NoSuchUpload", self.s3.list_parts, Bucket=self.bucket, Key="given up",
                     UploadId=given_up)
        self.assertEqual(self.keys(), ["parts"])

    def test_managed_transfer_in_parallel_parts(self):
        content = random_bytes(26 * MIB + 1, "managed")
        config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB,
                                max_concurrency=4)
        self.s3.upload_fileobj(io.BytesIO(content), self.bucket, "managed", Config=config,
                               ExtraArgs={"ContentType": "x/y", "CacheControl": "no-cache"})
        back = io.BytesIO()
        self.s3.download_fileobj(self.bucket, "managed", back, Config=config)
        self.assertEqual(back.getvalue(), content)
        self.s3.copy({"Bucket": self.bucket, "Key": "managed"}, self.bucket, "a copy+%",
                     Config=config)
        self.s3.delete_object(Bucket=self.bucket, Key="managed")
        head = self.s3.head_object(Bucket=self.bucket, Key="a copy+%")
        self.assertEqual(head["ContentLength"], len(content))
        self.assertEqual(self.body("a copy+%"), content)

    def test_metadata_and_conditions(self):
        first = self.s3.put_object(
            Bucket=self.bucket, Key="k", Body=b"one", ContentType="text/plain; charset=utf-8",
            ContentDisposition='attachment; filename="x"', ContentLanguage="de",
            ContentEncoding="identity", CacheControl="max-age=5", Metadata={"a-b": "c d"})["ETag"]
        got = self.s3.get_object(Bucket=self.bucket, Key="k")
        self.assertEqual(
            (got["ContentType"], got["ContentDisposition"], got["ContentLanguage"],
             got["ContentEncoding"], got["CacheControl"], got["Metadata"], got["ETag"]),
            ("text/plain; charset=utf-8", 'attachment; filename="x"', "de", "identity", "max-age=5",
             {"a-b": "c d"}, '"' + hashlib.md5(b"one").hexdigest() + '"'))
        self.assertEqual(self.refused("304", self.s3.get_object, Bucket=self.bucket, Key="k",
                                      IfNoneMatch=first), 304)
        self.assertEqual(self.refused("PreconditionFailed", self.s3.get_object, Bucket=self.bucket,
                                      Key="k", IfMatch='"0"'), 412)
        self.s3.copy_object(Bucket=self.bucket, Key="k", CopySource=f"{self.bucket}/k",
                            MetadataDirective="REPLACE", Metadata={"new": "1"})
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="k")["Metadata"], {"new": "1"})
        self.assertEqual(self.body("k"), b"one")

    def test_checksums_are_verified_and_given_back(self):
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            self.s3.put_object(Bucket=self.bucket, Key=algorithm, Body=b"check me",
                               ChecksumAlgorithm=algorithm)
            got = self.s3.get_object(Bucket=self.bucket, Key=algorithm, ChecksumMode="ENABLED")
            self.assertEqual(got["Body"].read(), b"check me")
            self.assertIn("Checksum" + algorithm, got)
            # A stream has its checksum in the trailer.
            self.s3.put_object(Bucket=self.bucket, Key=algorithm, Body=io.BytesIO(b"stream me"),
                               ChecksumAlgorithm=algorithm)
            self.assertEqual(self.body(algorithm, ChecksumMode="ENABLED"), b"stream me")

    def test_missing_things_have_their_codes(self):
        self.refused("NoSuchKey", self.s3.get_object, Bucket=self.bucket, Key="none")
        self.assertEqual(self.refused("404", self.s3.head_object, Bucket=self.bucket, Key="none"),
                         404)
        self.refused("NoSuchBucket", self.s3.list_objects_v2, Bucket="no-such-bucket")
        self.refused("NoSuchUpload", self.s3.complete_multipart_upload, Bucket=self.bucket, Key="k",
                     UploadId="none", MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": "x"}]})
        self.refused("SignatureDoesNotMatch", client(self.grid, secret="wrong").list_buckets)
        self.refused("InvalidAccessKeyId", client(self.grid, access="NOBODY").list_buckets)

    def test_fifty_racers_have_one_winner(self):
        def add_header(request, **_):  # this boto3 does not know it for PutObject
            request.headers.add_header("If-None-Match", "*")

        racers, outcomes, start = 50, [], threading.Barrier(50)
        clients = [client(self.grid, retries={"max_attempts": 1}) for _ in range(racers)]

        def race(number):
            s3 = clients[number]
            s3.meta.events.register("before-sign.s3.PutObject", add_header)
            start.wait()
            try:
                s3.put_object(Bucket=self.bucket, Key="prize", Body=b"%d" % number)
                outcomes.append(number)
            except botocore.exceptions.ClientError as error:
                outcomes.append(error.response["Error"]["Code"])

        threads = [threading.Thread(target=race, args=(i,)) for i in range(racers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [outcome for outcome in outcomes if isinstance(outcome, int)]
        losers = {outcome for outcome in outcomes if not isinstance(outcome, int)}
        self.assertEqual(len(outcomes), racers)
        self.assertEqual(len(winners), 1, outcomes)
        self.assertLessEqual(losers, {"PreconditionFailed", "ConditionalRequestConflict"})
        self.assertEqual(self.body("prize"), b"%d" % winners[0])

    def test_goes_on_when_two_agents_are_killed_in_the_middle(self):
        content = random_bytes(32 * MIB, "killed")
        config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB,
                                max_concurrency=4)
        with self.killing_two_agents(12 * MIB) as tap:
            client(self.grid, tap.endpoint).upload_fileobj(io.BytesIO(content), self.bucket, "k",
                                                           Config=config)
        self.assertEqual(self.body("k"), content)
        for i in range(50):  # small ones, while four nodes are left
            self.s3.put_object(Bucket=self.bucket, Key=f"small/{i}", Body=b"%d" % i)
        self.grid.make_whole()
        with self.killing_two_agents(12 * MIB, "down") as tap:
            back = io.BytesIO()
            client(self.grid, tap.endpoint).download_fileobj(self.bucket, "k", back, Config=config)
        self.assertEqual(back.getvalue(), content)
        for i in range(50):
            self.assertEqual(self.body(f"small/{i}"), b"%d" % i)
