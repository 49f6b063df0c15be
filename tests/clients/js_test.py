"""The AWS SDK for JavaScript v3: js/sdk.mjs, with what npm installs into the build directory."""
import os
import pathlib
import shutil
import subprocess

from grid import PATIENCE_S, REPO
from gridtest import MIB, GridTest

HERE = pathlib.Path(__file__).resolve().parent / "js"


def installed():
    """A directory with sdk.mjs and its packages; npm runs when package.json has changed."""
    build = pathlib.Path(os.environ.get("HYDRADEV_BUILD", REPO / "build/release"))
    target = build.parent / "js-client"
    target.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package.json").read_text()
    done = target / "installed"
    if not done.exists() or done.read_text() != wanted:
        shutil.copy(HERE / "package.json", target)
        result = subprocess.run(
            ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--omit=dev"],
            cwd=target, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=4 * PATIENCE_S,
            env=dict(os.environ, PATH="/usr/bin:" + os.environ["PATH"]))
        if result.returncode != 0:
            raise AssertionError("npm install failed:\n" + result.stdout)
        done.write_text(wanted)
    shutil.copy(HERE / "sdk.mjs", target)
    return target


class JavaScriptSdk(GridTest):
    @classmethod
    def setUpClass(cls):
        cls.sdk = installed()
        super().setUpClass()

    def check(self, name, endpoint=None):
        self.run_client("node", "sdk.mjs", name, cwd=self.sdk, env={
            "HYDRA_ENDPOINT": endpoint or self.grid.endpoint,
            "AWS_ACCESS_KEY_ID": self.grid.access_key,
            "AWS_SECRET_ACCESS_KEY": self.grid.secret_key})

    def test_checksums_in_headers_and_trailers(self):
        self.check("checksums")

    def test_odd_keys_are_kept_listed_copied_and_deleted(self):
        self.check("keys")

    def test_stream_is_uploaded_in_parts(self):
        self.check("multipart")

    def test_upload_is_made_of_copies(self):
        self.check("uploadOfCopies")

    def test_conditional_writes_have_one_winner(self):
        self.check("conditions")

    def test_presigned_urls(self):
        self.check("presigned")

    def test_wrong_credentials_are_told_apart(self):
        self.check("credentials")

    def test_goes_on_when_two_agents_are_killed_in_the_middle(self):
        with self.killing_two_agents(8 * MIB) as tap:
            self.check("uploadWhileAgentsDie", tap.endpoint)
        self.grid.make_whole()
        with self.killing_two_agents(8 * MIB, "down") as tap:
            self.check("downloadWhileAgentsDie", tap.endpoint)
