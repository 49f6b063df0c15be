"""What all tests of real clients share: a grid per test class, odd files, running a client."""
import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest

from grid import PATIENCE_S, Grid
from tap import Tap

MIB = 1 << 20
DOOMED = ("agent-1", "agent-2")  # of different zones; those that die in the middle

# File names that a client or a server may stumble over. All can stand in one directory.
ODD_NAMES = [
    "plain.txt", "with space", " leading and trailing ", "plus+plus", "percent%41%", "100%",
    "question?mark=1&x", "hash#tag", ".leading-dot", "..two-dots", "...", "tilde~", "star*",
    "semi;colon", "comma,", "equals=", "at@", "colon:", "dollar$", "bang!", "paren(s)", "pipe|",
    "quote'", 'double"quote', "back`tick", "less<more>", "brace{}[]", "caret^", "ünïcödé-✓",
    "e\u0301-decomposed", "\u00e9-composed", "emoji-😀", "日本語", "x" * 200,
    "deep/er/and/deeper/still", "deep/er.txt", "deep-sibling", "UPPER", "upper",
]


def random_bytes(length, seed):
    return random.Random(seed).randbytes(length)


def make_tree(directory, large=0, names=ODD_NAMES):
    """Files with odd names and small random contents, empty ones among them, and one large one."""
    directory = pathlib.Path(directory)
    for i, name in enumerate(names):
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(random_bytes(random.Random(name).choice([1, 7, 100, 5000, 70000]), name))
        if i % 10 == 3:
            target.write_bytes(b"")
    (directory / "empty").write_bytes(b"")
    (directory / "deep/empty").parent.mkdir(exist_ok=True)
    (directory / "deep/empty").write_bytes(b"")
    if large:
        (directory / "large file.bin").write_bytes(random_bytes(large, "large"))
    return directory


def tree_of(directory):
    """{relative path: digest of the contents} of all files below it."""
    directory = pathlib.Path(directory)
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*") if path.is_file()
    }


class GridTest(unittest.TestCase):
    """Each class has a grid of its own; each test finds it whole."""
    nodes = 6
    profile = "4+2"
    gateway = {}
    agent = {}
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix=cls.__name__.lower() + "-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.grid = Grid(cls.directory, cls.nodes, cls.profile, dict(cls.gateway), dict(cls.agent))
        cls.before_up()
        cls.addClassCleanup(cls.grid.down)
        cls.grid.up()

    @classmethod
    def before_up(cls):
        """For what must be there before the grid: cleanups added here run after it is down."""

    def setUp(self):
        self.grid.make_whole()
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="test-", dir=self.directory))
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)

    def run_client(self, *command, env=None, fails=False, stdin=None, cwd=None):
        """Runs a client; returns all it says. `fails`: it must end with an error."""
        environment = {
            "PATH": "/usr/bin:" + os.environ["PATH"],
            "HOME": str(self.directory),
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(self.directory),
            **(env or {}),
        }
        command = [str(word) for word in command]
        result = subprocess.run(command, env=environment, input=stdin, timeout=PATIENCE_S, cwd=cwd,
                                stdin=subprocess.DEVNULL if stdin is None else None,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = result.stdout.decode(errors="replace")
        if (result.returncode != 0) != fails:
            wanted = "must fail" if fails else "must not fail"
            self.fail(f"{' '.join(command)}: exit status {result.returncode}, {wanted}\n"
                      f"{output[-3000:]}\nThe gateway says:\n{self.grid.log_tail()}")
        return output

    def assert_same_tree(self, one, other):
        self.assertEqual(tree_of(one), tree_of(other))

    def write_file(self, name, length):
        target = self.work / name
        target.write_bytes(random_bytes(length, name))
        return target

    def killing_two_agents(self, after_bytes, direction="up"):
        """A Tap that does so in the middle of a transfer."""
        return Tap(self.grid, after_bytes, lambda: self.grid.kill(*DOOMED), direction)
