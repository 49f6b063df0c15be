"""restic of Debian."""
import json

from gridtest import MIB, GridTest, make_tree, random_bytes


class Restic(GridTest):
    def restic(self, repository, *command, endpoint=None, fails=False, secret=None):
        return self.run_client("restic", "--no-cache", *command, fails=fails, env={
            "RESTIC_REPOSITORY": f"s3:{endpoint or self.grid.endpoint}/{repository}",
            "RESTIC_PASSWORD": "a password",
            "AWS_ACCESS_KEY_ID": self.grid.access_key,
            "AWS_SECRET_ACCESS_KEY": secret or self.grid.secret_key})

    def restore(self, repository, tree, **options):
        target = self.work / "restored"
        self.restic(repository, "restore", "latest", "--target", target, **options)
        self.assert_same_tree(tree, target / str(tree).lstrip("/"))

    def test_backups_are_checked_restored_and_pruned(self):
        tree = make_tree(self.work / "tree", large=20 * MIB)
        self.restic("backups/one", "init")
        self.restic("backups/one", "backup", tree)
        self.restic("backups/one", "check", "--read-data")
        self.restore("backups/one", tree)

        (tree / "large file.bin").write_bytes(random_bytes(9 * MIB, "other"))
        (tree / "plain.txt").unlink()
        self.restic("backups/one", "backup", tree)
        self.assertEqual(len(json.loads(self.restic("backups/one", "snapshots", "--json"))), 2)
        self.restic("backups/one", "forget", "--keep-last", "1", "--prune")
        self.restic("backups/one", "check", "--read-data")
        (self.work / "restored").rename(self.work / "first")
        self.restore("backups/one", tree)

    def test_wrong_secret_is_told(self):
        told = self.restic("wrong", "init", secret="wrong", fails=True)
        self.assertRegex(told, "signature")

    def test_goes_on_when_two_agents_are_killed_in_the_middle(self):
        tree = make_tree(self.work / "tree", large=30 * MIB)
        self.restic("killed", "init")
        with self.killing_two_agents(12 * MIB) as tap:
            self.restic("killed", "backup", tree, endpoint=tap.endpoint)
        self.restic("killed", "check", "--read-data")
        self.grid.make_whole()
        with self.killing_two_agents(12 * MIB, "down") as tap:
            self.restore("killed", tree, endpoint=tap.endpoint)
