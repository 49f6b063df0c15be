#!/usr/bin/env python3
"""bench/run from end to end, against a small server in this process that keeps objects in memory."""

import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import cases  # noqa: E402
import heal  # noqa: E402
import table  # noqa: E402


class Store(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one send, else each answer waits for a delayed ACK
    objects = {}
    refuse_gets = False

    def answer(self, status, body=b""):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self):
        key = self.path.partition("?")[0]
        self.objects[key] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200)

    def do_GET(self):
        key, _, query = self.path.partition("?")
        if "list-type" in urllib.parse.parse_qs(query):
            self.answer(200, b"<Key>" * 1000)
        elif self.refuse_gets or key not in self.objects:
            self.answer(404)
        else:
            self.answer(200, self.objects[key])

    do_HEAD = do_GET

    def do_DELETE(self):
        self.objects.pop(self.path.partition("?")[0], None)
        self.answer(204)

    def log_message(self, *_):
        pass


class RunTest(unittest.TestCase):
    def setUp(self):
        Store.objects, Store.refuse_gets = {}, False
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.directory = tempfile.TemporaryDirectory()
        self.credentials = Path(self.directory.name) / "credentials"
        self.credentials.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n",
                                    encoding="utf-8")

    def tearDown(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.directory.cleanup()

    def run_bench(self, *options):
        out = Path(self.directory.name) / "out.json"
        command = [HERE / "run", "--quick", "--rounds", "1", "--scale", "0.01", "--endpoint",
                   f"http://127.0.0.1:{self.server.server_port}", "--credentials", self.credentials, "--pids",
                   str(os.getpid()), "--data", self.directory.name, "--json", out, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done, json.loads(out.read_text(encoding="utf-8"))

    def test_all_cases_are_measured_and_nothing_stays(self):
        done, report = self.run_bench()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(list(report["cases"]), [case.name for case in cases.round_of(True)])
        put = report["cases"]["PUT 8 MiB, 8 streams"]
        self.assertEqual(put["ops"], 8)
        self.assertGreater(put["cpu"], 0)
        self.assertGreater(put["ratio"], 0)
        self.assertEqual(list(Store.objects), ["/hydra-bench"])
        self.assertEqual(sorted(os.listdir(self.directory.name)), ["credentials", "out.json"])
        self.assertIn("PUT 8 MiB, 8 streams", done.stdout)

    def test_failed_operations_fail_the_run(self):
        Store.refuse_gets = True
        done, report = self.run_bench("--only", "HEAD")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(list(report["cases"]), ["PUT 4 KiB, 32 streams", "HEAD, 8 streams"])
        self.assertEqual(report["cases"]["HEAD, 8 streams"]["errors"], 50)
        self.assertIn("status 404", done.stderr)


class TableTest(unittest.TestCase):
    def test_only_what_lies_between_the_markers_is_replaced(self):
        with tempfile.TemporaryDirectory() as directory:
            page = Path(directory) / "page.md"
            begin, end = table.markers("cases")
            page.write_text(f"before\n{begin}\nold\n{end}\nafter\n", encoding="utf-8")
            table.put_into(page, "new", "cases")
            self.assertEqual(page.read_text(encoding="utf-8"), f"before\n{begin}\nnew\n{end}\nafter\n")

    def test_a_missed_target_is_said(self):
        head = next(case for case in cases.round_of(True) if case.operation == "head")
        self.assertEqual(table.verdict(head, {"cpu": 0.07}), "0.08")
        self.assertEqual(table.verdict(head, {"cpu": 0.09}), "0.08 (missed)")
        large = cases.large(cases.GIB)[0]
        self.assertEqual(table.verdict(large, {"cpu": 9, "front_rss_mib": 190}), "200 MiB")
        self.assertEqual(table.verdict(large, {"cpu": 9, "front_rss_mib": 210}), "200 MiB (missed)")


class HealTest(unittest.TestCase):
    WHOLE = {"active": True, "surveying": False, "running": 0, "census": {"below": []},
             "queue": {"repairs": 0, "moves": 0}}

    def test_a_grid_is_whole_when_nothing_is_left_to_be_done(self):
        self.assertTrue(heal.is_whole(self.WHOLE))
        for change in ({"active": False}, {"surveying": True}, {"running": 1}, {"census": None},
                       {"census": {"below": [{"spare": 1}]}}, {"queue": {"repairs": 1, "moves": 0}},
                       {"queue": {"repairs": 0, "moves": 1}}):
            self.assertFalse(heal.is_whole({**self.WHOLE, **change}), change)

    def test_a_ratio_above_the_target_is_said(self):
        window = {"p50_ms": 1, "p99_ms": 4, "errors": 0}
        slower = {**window, "p99_ms": 9, "errors": 3}
        rows = heal.foreground_rows({"healing": {"idle": [window, window], "busy": [window, slower], "rate": 3},
                                     "scrubbing": {"idle": [window, window], "busy": [window, window], "rate": 64}})
        self.assertEqual([row[7:] for row in rows[1:]], [["1.00", "2.0", "0"], ["2.25", "2.0 (missed)", "3"],
                                                         ["1.00", "2.0", "0"], ["1.00", "2.0", "0"]])

    def test_the_cost_is_of_what_was_rebuilt(self):
        rows = heal.rebuild_rows({
            "rebuild": {"rebuilt_gib": 0.5, "seconds": 10, "cpu_s": 4, "read_gib": 2, "written_gib": None},
            "floor": {"gib": 0.25, "seconds": 1, "cpu_s_per_gib": 2}})
        self.assertEqual(rows[1], ["grid", "0.50", "10.0", "4.0", "8.00", "4.00", "2.00", ""])


if __name__ == "__main__":
    unittest.main()
