"""The AWS command line of Debian."""
import json

from gridtest import MIB, GridTest, make_tree


class Aws(GridTest):
    def aws(self, *command, endpoint=None, fails=False, **environment):
        config = self.directory / "aws-config"
        config.write_text("[default]\nregion = us-east-1\nmax_attempts = 8\n")
        return self.run_client("aws", "--endpoint-url", endpoint or self.grid.endpoint, *command,
                               fails=fails, env={
                                   "AWS_ACCESS_KEY_ID": self.grid.access_key,
                                   "AWS_SECRET_ACCESS_KEY": self.grid.secret_key,
                                   "AWS_CONFIG_FILE": str(config),
                                   "AWS_EC2_METADATA_DISABLED": "true",
                                   "AWS_PAGER": "", **environment})

    def test_buckets_are_made_listed_and_removed(self):
        self.aws("s3", "mb", "s3://made")
        self.assertIn(" made\n", self.aws("s3", "ls"))
        self.aws("s3api", "head-bucket", "--bucket", "made")
        self.aws("s3", "cp", self.write_file("one", 10), "s3://made/one")
        self.assertIn("BucketNotEmpty", self.aws("s3", "rb", "s3://made", fails=True))
        self.aws("s3", "rb", "--force", "s3://made")
        self.assertNotIn(" made\n", self.aws("s3", "ls"))
        self.assertIn("NoSuchBucket", self.aws("s3", "ls", "s3://made", fails=True))

    def test_tree_is_synced_both_ways_and_a_second_time_moves_nothing(self):
        tree = make_tree(self.work / "tree", large=9 * MIB)
        self.aws("s3", "mb", "s3://tree")
        self.aws("s3", "sync", tree, "s3://tree/some/prefix")
        self.assertEqual(self.aws("s3", "sync", tree, "s3://tree/some/prefix"), "")
        self.aws("s3", "sync", "s3://tree/some/prefix", self.work / "back")
        self.assert_same_tree(tree, self.work / "back")

        (tree / "plain.txt").unlink()
        (tree / "with space").write_bytes(b"changed, and of another length")
        self.aws("s3", "sync", "--delete", tree, "s3://tree/some/prefix")
        self.aws("s3", "sync", "--delete", "s3://tree/some/prefix", self.work / "back")
        self.assert_same_tree(tree, self.work / "back")
        self.aws("s3", "rm", "--recursive", "s3://tree/")
        self.assertEqual(self.aws("s3", "ls", "--recursive", "s3://tree/"), "")

    def test_multipart_object_with_metadata_ranges_and_copies(self):
        data = self.write_file("large", 21 * MIB + 17)
        content = data.read_bytes()
        self.aws("s3", "mb", "s3://large")
        self.aws("s3", "cp", data, "s3://large/it", "--metadata", "colour=deep blue,size=21",
                 "--content-type", "text/x-large")
        head = json.loads(self.aws("s3api", "head-object", "--bucket", "large", "--key", "it"))
        self.assertEqual(head["ContentLength"], len(content))
        self.assertEqual(head["Metadata"], {"colour": "deep blue", "size": "21"})
        self.assertEqual(head["ContentType"], "text/x-large")
        self.assertTrue(head["ETag"].endswith('-3"'), head["ETag"])  # parts of 8 MiB

        for text, wanted in (("bytes=0-0", content[:1]),
                             ("bytes=8388600-8388699", content[8388600:8388700]),
                             ("bytes=-100", content[-100:]),
                             ("bytes=22020000-", content[22020000:])):
            part = self.work / "part"
            self.aws("s3api", "get-object", "--bucket", "large", "--key", "it", "--range", text,
                     part)
            self.assertEqual(part.read_bytes(), wanted, text)

        self.aws("s3", "cp", "s3://large/it", "s3://large/copy")
        self.aws("s3", "mv", "s3://large/copy", "s3://large/moved")
        self.aws("s3", "cp", "s3://large/moved", self.work / "back")
        self.assertEqual((self.work / "back").read_bytes(), content)
        listing = self.aws("s3", "ls", "s3://large/")
        self.assertNotIn("copy", listing)

    def test_standard_input_is_stored_and_written_to_standard_output(self):
        self.aws("s3", "mb", "s3://pipes")
        self.aws("s3api", "put-object", "--bucket", "pipes", "--key", "nothing")
        self.assertEqual(self.aws("s3", "cp", "s3://pipes/nothing", "-"), "")
        (self.work / "text").write_text("one line\n")
        self.aws("s3", "cp", self.work / "text", "s3://pipes/text")
        self.assertEqual(self.aws("s3", "cp", "s3://pipes/text", "-"), "one line\n")

    def test_wrong_credentials_are_told_apart(self):
        self.assertIn("SignatureDoesNotMatch",
                      self.aws("s3", "ls", fails=True, AWS_SECRET_ACCESS_KEY="wrong"))
        self.assertIn("InvalidAccessKeyId",
                      self.aws("s3", "ls", fails=True, AWS_ACCESS_KEY_ID="NOBODY"))

    def test_goes_on_when_two_agents_are_killed_in_the_middle(self):
        tree = make_tree(self.work / "tree", large=24 * MIB)
        self.aws("s3", "mb", "s3://killed")
        with self.killing_two_agents(10 * MIB) as tap:
            self.aws("s3", "sync", tree, "s3://killed", endpoint=tap.endpoint)
        self.aws("s3", "sync", "s3://killed", self.work / "with four")
        self.assert_same_tree(tree, self.work / "with four")
        self.grid.make_whole()
        with self.killing_two_agents(10 * MIB, "down") as tap:
            self.aws("s3", "sync", "s3://killed", self.work / "back", endpoint=tap.endpoint)
        self.assert_same_tree(tree, self.work / "back")
