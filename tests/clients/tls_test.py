"""S3 over TLS with a self-signed certificate."""
import socket
import ssl
import subprocess
import urllib.request

import boto3

import sigv4
from grid import wait_for
from gridtest import MIB, GridTest


class Tls(GridTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        certificate, key = cls.directory / "certificate.pem", cls.directory / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
             "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # ./dev asks for the health over plain HTTP, so the gateway is restarted without it.
        cls.grid.kill("gateway")
        cls.grid.settings["hydra-gateway"] = {"s3.tls.certificate": certificate, "s3.tls.key": key}
        cls.grid.start("gateway")
        cls.grid.scheme = "https"
        cls.certificate = certificate
        context = ssl.create_default_context(cafile=certificate)
        cls.addClassCleanup(urllib.request.install_opener, None)
        urllib.request.install_opener(
            urllib.request.build_opener(urllib.request.HTTPSHandler(context=context)))

    def aws(self, *command, fails=False):
        return self.run_client(
            "aws", "--endpoint-url", self.grid.endpoint, *command, fails=fails,
            env={"AWS_ACCESS_KEY_ID": self.grid.access_key, "AWS_REGION": "us-east-1",
                 "AWS_SECRET_ACCESS_KEY": self.grid.secret_key, "AWS_PAGER": "",
                 "AWS_CONFIG_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true"})

    def test_aws_trusts_the_certificate_or_is_told_to(self):
        data = self.write_file("data", 9 * MIB)
        trusted = ("--ca-bundle", self.certificate)
        self.aws(*trusted, "s3", "mb", "s3://aws")
        self.aws(*trusted, "s3", "cp", data, "s3://aws/data")
        self.aws("--no-verify-ssl", "s3", "cp", "s3://aws/data", self.work / "back")
        self.assertEqual((self.work / "back").read_bytes(), data.read_bytes())
        self.assertIn("SSL", self.aws("s3", "ls", fails=True))

    def test_curl_and_boto3_and_rclone(self):
        data = self.write_file("data", 9 * MIB)
        s3 = boto3.client("s3", endpoint_url=self.grid.endpoint, region_name="us-east-1",
                          aws_access_key_id=self.grid.access_key, verify=str(self.certificate),
                          aws_secret_access_key=self.grid.secret_key)
        s3.create_bucket(Bucket="others")
        self.run_client("curl", "-sSf", "--cacert", self.certificate, "-T", data,
                        sigv4.presign(self.grid, "PUT", "others", "data"))
        self.assertEqual(s3.get_object(Bucket="others", Key="data")["Body"].read(),
                         data.read_bytes())
        self.assertIn("certificate", self.run_client(
            "curl", "-sS", sigv4.presign(self.grid, "GET", "others", "data"), fails=True))
        self.run_client(
            "rclone", "--ca-cert", self.certificate, "copyto", "hg:others/data", self.work / "back",
            env={"RCLONE_CONFIG": "", "RCLONE_CONFIG_HG_TYPE": "s3",
                 "RCLONE_CONFIG_HG_PROVIDER": "Other", "RCLONE_CONFIG_HG_ENDPOINT":
                 self.grid.endpoint, "RCLONE_CONFIG_HG_ACCESS_KEY_ID": self.grid.access_key,
                 "RCLONE_CONFIG_HG_SECRET_ACCESS_KEY": self.grid.secret_key})
        self.assertEqual((self.work / "back").read_bytes(), data.read_bytes())

    def test_plain_http_garbage_and_silence_harm_nobody(self):
        silent = [socket.create_connection(("127.0.0.1", self.grid.port)) for _ in range(20)]
        for words in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 500):
            with socket.create_connection(("127.0.0.1", self.grid.port), timeout=60) as plain:
                plain.sendall(words)
                self.assertNotIn(b"HTTP/1.1 200", read_to_end(plain))
        wait_for(lambda: self.grid.cluster(), "an answer beside silent connections")
        for one in silent:
            one.close()

    def test_old_protocols_are_refused(self):
        told = self.run_client("curl", "-sS", "--cacert", self.certificate, "--tlsv1.0",
                               "--tls-max", "1.1", self.grid.endpoint, fails=True)
        self.assertIn("protocol version", told)


def read_to_end(connection):
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received
