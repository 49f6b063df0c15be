"""AWS Signature Version 4, and S3 requests with nothing between the test and the wire.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""
import hashlib
import hmac
import http.client
import time
import urllib.parse
import xml.etree.ElementTree

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
REGION = "us-east-1"


def encode(text, safe="-._~"):
    return urllib.parse.quote(text, safe=safe, errors="surrogateescape")


def encode_path(bucket, key=""):
    return "/" + bucket + ("/" + encode(key, safe="/-._~") if key else "")


def encode_query(parameters):
    return "&".join(f"{encode(k)}={encode(v)}" for k, v in sorted(parameters.items()))


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _signature(secret, stamp, scope, canonical):
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope,
                         hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for word in scope.split("/"):
        key = _hmac(key, word)
    return _hmac(key, to_sign).hex()


def sign(access, secret, method, path, headers, query="", payload=EMPTY_SHA256, at=None):
    """The headers with those of the signature; `path` and `query` are encoded, `query` sorted."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    headers = dict(headers, **{"x-amz-date": stamp, "x-amz-content-sha256": payload})
    lowered = sorted((name.lower(), value.strip()) for name, value in headers.items())
    names = ";".join(name for name, _ in lowered)
    canonical = "\n".join([method, path, query,
                           "".join(f"{name}:{value}\n" for name, value in lowered), names, payload])
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={names}, "
        f"Signature={_signature(secret, stamp, scope, canonical)}")
    return headers


def presign(grid, method, bucket, key, expires=600, query=None, headers=None, at=None):
    """A URL that carries its signature."""
    headers = {"host": grid.endpoint.partition("://")[2], **(headers or {})}
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    names = ";".join(sorted(headers))
    path = encode_path(bucket, key)
    text = encode_query({
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{grid.access_key}/{scope}",
        "X-Amz-Date": stamp, "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": names,
        **(query or {})})
    canonical = "\n".join([method, path, text,
                           "".join(f"{name}:{headers[name]}\n" for name in sorted(headers)),
                           names, UNSIGNED])
    signature = _signature(grid.secret_key, stamp, scope, canonical)
    return f"{grid.endpoint}{path}?{text}&X-Amz-Signature={signature}"


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def code(self):
        """The S3 error code of the body, or ''."""
        try:
            return xml.etree.ElementTree.fromstring(self.body).findtext("Code") or ""
        except xml.etree.ElementTree.ParseError:
            return ""

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


class S3:
    """One keep-alive connection to a grid; reconnects by itself. Nothing is retried."""

    def __init__(self, grid, timeout=60):
        self.grid = grid
        self.timeout = timeout
        self.connection = None

    def request(self, method, bucket="", key="", query=None, headers=None, body=b"", secret=None,
                access=None):
        path = encode_path(bucket, key)
        text = encode_query(query or {})
        headers = {"Host": f"127.0.0.1:{self.grid.port}", **(headers or {})}
        payload = headers.pop("x-amz-content-sha256", hashlib.sha256(body).hexdigest())
        signed = sign(access or self.grid.access_key, secret or self.grid.secret_key, method, path,
                      headers, text, payload)
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.grid.port,
                                                         timeout=self.timeout)
        try:
            if body or method in ("PUT", "POST"):
                signed["Content-Length"] = str(len(body))
            self.connection.request(method, path + ("?" + text if text else ""),
                                    body=body or None, headers=signed)
            response = self.connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def put(self, bucket, key, body, **headers):
        return self.request("PUT", bucket, key, body=body,
                            headers={k.replace("_", "-"): v for k, v in headers.items()})

    def get(self, bucket, key):
        return self.request("GET", bucket, key)

    def keys(self, bucket):
        """All keys of a bucket, in order."""
        keys, token = [], None
        while True:
            query = {"list-type": "2", "encoding-type": "url"}
            if token:
                query["continuation-token"] = token
            answer = self.request("GET", bucket, query=query)
            assert answer.status == 200, answer
            root = xml.etree.ElementTree.fromstring(answer.body)
            space = root.tag[:root.tag.index("}") + 1]
            keys += [urllib.parse.unquote_plus(e.findtext(space + "Key"))
                     for e in root.iter(space + "Contents")]
            token = root.findtext(space + "NextContinuationToken")
            if not token:
                return keys
