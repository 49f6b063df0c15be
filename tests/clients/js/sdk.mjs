// The AWS SDK for JavaScript v3 against a grid: `node sdk.mjs CHECK`, where CHECK is a function
// below. HYDRA_ENDPOINT and the AWS credentials come from the environment. Exit status 0: all was
// as it must be.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import * as S3 from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const MIB = 1 << 20;

function client(options = {}) {
  return new S3.S3Client({
    endpoint: process.env.HYDRA_ENDPOINT,
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 10,
    ...options,
  });
}

const s3 = client();

async function newBucket(Bucket) {
  await s3.send(new S3.CreateBucketCommand({ Bucket }));
  return Bucket;
}

// The same bytes for the same seed, quickly.
function bytes(length, seed) {
  const pieces = [];
  for (let have = 0, i = 0; have < length; i++, have += 64)
    pieces.push(createHash("sha512").update(`${seed} ${i}`).digest());
  return Buffer.concat(pieces, length);
}

function* pieces(content) {
  for (let at = 0; at < content.length; at += 100_003) yield content.subarray(at, at + 100_003);
}

async function read(Bucket, Key, more = {}) {
  const got = await s3.send(new S3.GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from(await got.Body.transformToByteArray());
}

async function refused(name, promise) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.name, name);
    return true;
  });
}

// A stream has its checksum in the trailer of an aws-chunked body; a buffer has it in a header.
async function checksums() {
  const Bucket = await newBucket("checksums");
  const content = bytes(300_001, "checksums");
  for (const ChecksumAlgorithm of [undefined, "CRC32", "CRC32C", "SHA1", "SHA256"]) {
    for (const stream of [false, true]) {
      const Key = `${ChecksumAlgorithm} ${stream}`;
      const put = await s3.send(new S3.PutObjectCommand({
        Bucket,
        Key,
        ChecksumAlgorithm,
        Body: stream ? Readable.from([content]) : content,
        ContentLength: content.length,
      }));
      const field = `Checksum${ChecksumAlgorithm ?? "CRC32"}`;
      assert.ok(put[field], `${Key}: no ${field} in the answer`);
      const got = await s3.send(new S3.GetObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
      assert.equal(got[field], put[field]);
      assert.ok(Buffer.from(await got.Body.transformToByteArray()).equals(content), Key);
    }
  }
  await refused("BadDigest", s3.send(new S3.PutObjectCommand(
    { Bucket, Key: "wrong", Body: content, ChecksumCRC32: "AAAAAA==" })));
  await refused("NoSuchKey", read(Bucket, "wrong"));
}

async function keys() {
  const Bucket = await newBucket("keys");
  const odd = [
    "plain", "with space", " around ", "plus+plus", "percent%41%", "%2F", "question?x=1&y",
    "hash#tag", ".dot", "..x", "a", "a/", "a/b", "a//b", "ünïcödé-✓", "e\u0301", "\u00e9", "😀",
    "日本", "tilde~", "star*", "quote'\"`", "less<more>&amp;", "semi;colon", "eq=", "at@",
    "back\\slash", "new\nline", "tab\t", "k".repeat(1024), "empty",
  ];
  const body = (key) => (key === "empty" ? "" : key);
  for (const Key of odd)
    await s3.send(new S3.PutObjectCommand({ Bucket, Key, Body: body(Key) }));
  for (const Key of odd) assert.equal((await read(Bucket, Key)).toString(), body(Key));

  const listed = [];
  const parameters = { Bucket, EncodingType: "url" };
  for await (const page of S3.paginateListObjectsV2({ client: s3, pageSize: 7 }, parameters))
    listed.push(...page.Contents.map(
      (item) => decodeURIComponent(item.Key.replaceAll("+", " "))));
  const order = (x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y));
  assert.deepEqual(listed, [...odd].sort(order));

  for (const Key of odd) {
    const CopySource = `${Bucket}/${encodeURIComponent(Key)}`;
    await s3.send(new S3.CopyObjectCommand({ Bucket, Key: "copy", CopySource }));
    assert.equal((await read(Bucket, "copy")).toString(), body(Key));
  }
  const gone = await s3.send(new S3.DeleteObjectsCommand(
    { Bucket, Delete: { Objects: [...odd, "copy"].map((Key) => ({ Key })) } }));
  assert.equal(gone.Errors, undefined);
  assert.equal(gone.Deleted.length, odd.length + 1);
  await s3.send(new S3.DeleteBucketCommand({ Bucket }));
}

async function multipart() {
  const Bucket = await newBucket("multipart");
  const content = bytes(17 * MIB + 11, "multipart");
  const params = { Bucket, Key: "it", Body: Readable.from(pieces(content)), Metadata: { a: "b" } };
  await new Upload({ client: s3, partSize: 5 * MIB, queueSize: 3, params }).done();
  assert.ok((await read(Bucket, "it")).equals(content));
  const head = await s3.send(new S3.HeadObjectCommand({ Bucket, Key: "it" }));
  assert.equal(head.ContentLength, content.length);
  assert.deepEqual(head.Metadata, { a: "b" });
  assert.match(head.ETag, /-4"$/);
  const Range = `bytes=${5 * MIB - 3}-${10 * MIB + 2}`;
  const part = await read(Bucket, "it", { Range });
  assert.ok(part.equals(content.subarray(5 * MIB - 3, 10 * MIB + 3)));
}

async function uploadOfCopies() {
  const Bucket = await newBucket("copies");
  const content = bytes(11 * MIB, "copies");
  await s3.send(new S3.PutObjectCommand({ Bucket, Key: "source", Body: content }));
  const target = { Bucket, Key: "target" };
  const { UploadId } = await s3.send(
    new S3.CreateMultipartUploadCommand({ ...target, ChecksumAlgorithm: "CRC32C" }));
  const Parts = [];
  for (const CopySourceRange of ["bytes=0-5242879", `bytes=10-${content.length - 1}`]) {
    const PartNumber = Parts.length + 1;
    const { CopyPartResult } = await s3.send(new S3.UploadPartCopyCommand(
      { ...target, UploadId, PartNumber, CopySource: `${Bucket}/source`, CopySourceRange }));
    const { ETag, ChecksumCRC32C } = CopyPartResult;
    Parts.push({ PartNumber, ETag, ChecksumCRC32C });
  }
  await s3.send(new S3.CompleteMultipartUploadCommand(
    { ...target, UploadId, MultipartUpload: { Parts } }));
  const wanted = Buffer.concat([content.subarray(0, 5 * MIB), content.subarray(10)]);
  assert.ok((await read(Bucket, "target")).equals(wanted));

  const other = { Bucket, Key: "given up" };
  const upload = await s3.send(new S3.CreateMultipartUploadCommand(other));
  other.UploadId = upload.UploadId;
  await s3.send(new S3.AbortMultipartUploadCommand(other));
  await refused("NoSuchUpload",
    s3.send(new S3.UploadPartCommand({ ...other, PartNumber: 1, Body: "x" })));
}

async function conditions() {
  const Bucket = await newBucket("conditions");
  const put = (more) => s3.send(new S3.PutObjectCommand({ Bucket, Key: "k", ...more }));
  const first = await put({ Body: "one", IfNoneMatch: "*" });
  await refused("PreconditionFailed", put({ Body: "two", IfNoneMatch: "*" }));
  await refused("PreconditionFailed", put({ Body: "two", IfMatch: '"0"' }));
  await put({ Body: "three", IfMatch: first.ETag });
  assert.equal((await read(Bucket, "k")).toString(), "three");
  const racers = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => s3.send(
    new S3.PutObjectCommand({ Bucket, Key: "prize", Body: `${i}`, IfNoneMatch: "*" }))));
  const winners = racers.flatMap((race, i) => (race.status === "fulfilled" ? [`${i}`] : []));
  assert.equal(winners.length, 1);
  assert.equal((await read(Bucket, "prize")).toString(), winners[0]);
}

async function presigned() {
  const Bucket = await newBucket("presigned");
  const Key = "dir/with space+%ü";
  const content = bytes(100_000, "presigned");
  const putUrl = await getSignedUrl(s3, new S3.PutObjectCommand({ Bucket, Key }));
  assert.equal((await fetch(putUrl, { method: "PUT", body: content })).status, 200);
  const getUrl = await getSignedUrl(s3, new S3.GetObjectCommand(
    { Bucket, Key, ResponseContentType: "text/of-mine" }));
  const got = await fetch(getUrl);
  assert.equal(got.status, 200);
  assert.equal(got.headers.get("content-type"), "text/of-mine");
  assert.ok(Buffer.from(await got.arrayBuffer()).equals(content));
  const changed = getUrl.replace("X-Amz-Expires=900", "X-Amz-Expires=901");
  assert.notEqual(changed, getUrl);
  assert.equal((await fetch(changed)).status, 403);
}

async function credentials() {
  const list = (accessKeyId, secretAccessKey) => client(
    { credentials: { accessKeyId, secretAccessKey } }).send(new S3.ListBucketsCommand({}));
  await refused("SignatureDoesNotMatch", list(process.env.AWS_ACCESS_KEY_ID, "wrong"));
  await refused("InvalidAccessKeyId", list("NOBODY", "wrong"));
}

// Two halves; the test brings the agents back in between. The endpoint is that of a Tap.
const doomed = { Bucket: "killed", Key: "large" };

async function uploadWhileAgentsDie() {
  await newBucket(doomed.Bucket);
  const params = { ...doomed, Body: bytes(24 * MIB, "killed") };
  await new Upload({ client: s3, partSize: 5 * MIB, queueSize: 3, params }).done();
  await downloadWhileAgentsDie();
}

async function downloadWhileAgentsDie() {
  const got = await read(doomed.Bucket, doomed.Key);
  assert.ok(got.equals(bytes(24 * MIB, "killed")));
}

const checks = {
  checksums, keys, multipart, uploadOfCopies, conditions, presigned, credentials,
  uploadWhileAgentsDie, downloadWhileAgentsDie,
};
await checks[process.argv[2]]();
