"""s3cmd of Debian."""
from gridtest import MIB, GridTest, make_tree, random_bytes


class S3cmd(GridTest):
    def s3cmd(self, *command, port=None, fails=False, secret=None):
        config = self.directory / "s3cfg"
        host = f"127.0.0.1:{port or self.grid.port}"
        config.write_text(
            f"[default]\naccess_key = {self.grid.access_key}\n"
            f"secret_key = {secret or self.grid.secret_key}\nhost_base = {host}\n"
            f"host_bucket = {host}\nbucket_location = us-east-1\nuse_https = False\n"
            "encoding = UTF-8\nprogress_meter = False\nmultipart_chunk_size_mb = 5\n")
        return self.run_client("s3cmd", "-c", config, *command, fails=fails)

    def test_objects_are_put_listed_copied_and_deleted(self):
        large = self.write_file("large", 11 * MIB + 3)
        self.s3cmd("mb", "s3://things")
        self.s3cmd("put", large, "s3://things/large +%ü", "--add-header=x-amz-meta-colour:blue",
                   "--mime-type=text/x-large")
        self.s3cmd("get", "s3://things/large +%ü", self.work / "back")
        self.assertEqual((self.work / "back").read_bytes(), large.read_bytes())
        info = self.s3cmd("info", "s3://things/large +%ü")
        self.assertIn("text/x-large", info)
        self.assertIn("blue", info)
        self.s3cmd("cp", "s3://things/large +%ü", "s3://things/copy")
        self.s3cmd("mv", "s3://things/copy", "s3://things/moved")
        self.assertEqual(
            [line.split("s3://")[1] for line in self.s3cmd("ls", "s3://things").splitlines()],
            ["things/large +%ü", "things/moved"])
        self.s3cmd("get", "s3://things/moved", self.work / "moved back")
        self.assertEqual((self.work / "moved back").read_bytes(), large.read_bytes())
        self.assertIn("BucketNotEmpty", self.s3cmd("rb", "s3://things", fails=True))
        self.s3cmd("rb", "--force", "--recursive", "s3://things")
        self.assertNotIn("s3://things", self.s3cmd("ls"))

    def test_tree_is_synced_both_ways_and_a_second_time_moves_nothing(self):
        tree = make_tree(self.work / "tree")
        self.s3cmd("mb", "s3://tree")
        self.s3cmd("sync", f"{tree}/", "s3://tree/below/")
        self.assertNotIn("upload", self.s3cmd("sync", f"{tree}/", "s3://tree/below/"))
        self.s3cmd("sync", "s3://tree/below/", f"{self.work}/back/")
        self.assert_same_tree(tree, self.work / "back")
        (tree / "plain.txt").unlink()
        (tree / "with space").write_bytes(b"of another length")
        self.s3cmd("sync", "--delete-removed", f"{tree}/", "s3://tree/below/")
        self.s3cmd("sync", "--delete-removed", "s3://tree/below/", f"{self.work}/back/")
        self.assert_same_tree(tree, self.work / "back")

    def test_wrong_secret_is_told(self):
        self.assertIn("SignatureDoesNotMatch", self.s3cmd("ls", secret="wrong", fails=True))

    def test_goes_on_when_two_agents_are_killed_in_the_middle(self):
        tree = self.work / "tree"
        tree.mkdir()
        for i in range(3):
            (tree / f"file {i}").write_bytes(random_bytes(7 * MIB, i))
        self.s3cmd("mb", "s3://killed")
        with self.killing_two_agents(9 * MIB) as tap:
            self.s3cmd("sync", f"{tree}/", "s3://killed", port=tap.port)
        self.s3cmd("sync", "s3://killed", f"{self.work}/with four/")
        self.assert_same_tree(tree, self.work / "with four")
        self.grid.make_whole()
        with self.killing_two_agents(9 * MIB, "down") as tap:
            self.s3cmd("sync", "s3://killed", f"{self.work}/back/", port=tap.port)
        self.assert_same_tree(tree, self.work / "back")
