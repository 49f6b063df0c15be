"""rclone of Debian."""
from gridtest import MIB, GridTest, make_tree, tree_of


class Rclone(GridTest):
    def rclone(self, *command, endpoint=None, fails=False, stdin=None, **environment):
        return self.run_client("rclone", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M",
                               *command, fails=fails, stdin=stdin, env={
                                   "RCLONE_CONFIG": "",  # none
                                   "RCLONE_CONFIG_HG_TYPE": "s3",
                                   "RCLONE_CONFIG_HG_PROVIDER": "Other",
                                   "RCLONE_CONFIG_HG_ENDPOINT": endpoint or self.grid.endpoint,
                                   "RCLONE_CONFIG_HG_ACCESS_KEY_ID": self.grid.access_key,
                                   "RCLONE_CONFIG_HG_SECRET_ACCESS_KEY": self.grid.secret_key,
                                   **environment})

    def test_tree_is_copied_checked_and_brought_back(self):
        tree = make_tree(self.work / "tree", large=13 * MIB)
        self.rclone("copy", tree, "hg:copied/to here")
        self.rclone("check", tree, "hg:copied/to here")
        self.rclone("check", "--download", tree, "hg:copied/to here")
        self.rclone("copy", "hg:copied/to here", self.work / "back")
        self.assert_same_tree(tree, self.work / "back")
        listed = self.rclone("lsf", "-R", "--files-only", "hg:copied/to here").splitlines()
        self.assertEqual(sorted(listed), sorted(tree_of(tree)))

    def test_sync_follows_changes_and_then_has_nothing_to_do(self):
        tree = make_tree(self.work / "tree")
        self.rclone("mkdir", "hg:synced")
        self.rclone("sync", tree, "hg:synced")
        again = self.rclone("sync", "-v", tree, "hg:synced")
        self.assertIn("There was nothing to transfer", again)
        (tree / "plain.txt").unlink()
        (tree / "with space").write_bytes(b"of another length now")
        (tree / "new one").write_bytes(b"")
        self.rclone("sync", tree, "hg:synced")
        self.rclone("check", tree, "hg:synced")
        (tree / "empty").write_bytes(b"not there")
        self.assertIn("1 differences found", self.rclone("check", tree, "hg:synced", fails=True))

    def test_objects_are_moved_read_in_part_and_purged(self):
        data = self.write_file("data", 7 * MIB)
        self.rclone("copyto", data, "hg:moving/from")
        self.rclone("moveto", "hg:moving/from", "hg:moving/deep/to +%")
        self.assertEqual(self.rclone("lsf", "-R", "--files-only", "hg:moving"), "deep/to +%\n")
        self.rclone("copyto", "hg:moving/deep/to +%", self.work / "back")
        self.assertEqual((self.work / "back").read_bytes(), data.read_bytes())
        self.rclone("rcat", "hg:moving/text", stdin=b"0123456789")
        self.assertEqual(self.rclone("cat", "--offset", "3", "--count", "4", "hg:moving/text"),
                         "3456")
        self.rclone("purge", "hg:moving")
        self.assertNotIn("moving", self.rclone("lsd", "hg:"))

    def test_wrong_secret_is_told(self):
        told = self.rclone("--retries", "1", "--low-level-retries", "1", "lsd", "hg:", fails=True,
                           RCLONE_CONFIG_HG_SECRET_ACCESS_KEY="wrong")
        self.assertIn("SignatureDoesNotMatch", told)

    def test_goes_on_when_two_agents_are_killed_in_the_middle(self):
        tree = make_tree(self.work / "tree", large=24 * MIB)
        with self.killing_two_agents(10 * MIB) as tap:
            self.rclone("copy", tree, "hg:killed", endpoint=tap.endpoint)
        self.rclone("check", "--download", tree, "hg:killed")
        self.grid.make_whole()
        with self.killing_two_agents(10 * MIB, "down") as tap:
            self.rclone("copy", "hg:killed", self.work / "back", endpoint=tap.endpoint)
        self.assert_same_tree(tree, self.work / "back")
