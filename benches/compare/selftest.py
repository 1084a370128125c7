"""Whether the comparison notices what it must notice: `python -m unittest benches.compare.selftest`."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import tempfile
import threading
import unittest
from html import unescape
from pathlib import Path

from . import chart, environment, lettering, measure, report, secure, servers, verify, workloads
from .measure import Cell, Failure, Start
from .servers import selected
from .workloads import GROUPS, WORKLOADS

HELLO, CONNECT = (next(w for w in WORKLOADS if w.name == name) for name in ("hello", "connect"))
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!"


class Canned:
    """Answers every request on every connection with the same bytes; closes after each where told to."""

    def __init__(self, answer: bytes, closes: bool = False) -> None:
        self.answer, self.closes = answer, closes
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection:
            while connection.recv(65536):
                connection.sendall(self.answer)
                if self.closes:
                    return

    def __enter__(self) -> Canned:
        return self

    def __exit__(self, *_) -> None:
        self.listener.close()


class Verify(unittest.TestCase):
    def test_the_right_answer_passes(self):
        with Canned(GOOD) as server:
            verify.check(HELLO, server.port, keeps_alive=True)
        with Canned(GOOD, closes=True) as server:
            verify.check(CONNECT, server.port, keeps_alive=True)

    def test_wrong_answers(self):
        wrong = {
            "status": GOOD.replace(b"200 OK", b"500 No"),
            "body": GOOD.replace(b"world", b"World"),
            "type": GOOD.replace(b"plain", b"html"),
            "length twice": GOOD.replace(b"\r\n\r\n", b"\r\nContent-Length: 13\r\n\r\n"),
            "chunked": GOOD.replace(b"Content-Length: 13\r\n\r\nHello, world!",
                b"Transfer-Encoding: chunked\r\n\r\nd\r\nHello, world!\r\n0\r\n\r\n"),
            "closes": GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        }
        for name, answer in wrong.items():
            with self.subTest(name), Canned(answer) as server, self.assertRaises(verify.Wrong):
                verify.check(HELLO, server.port, keeps_alive=True)


class Generator(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.binary = environment.generator()

    def load(self, answer: bytes, closes: bool = False, *flags: str) -> tuple[int, dict]:
        with tempfile.TemporaryDirectory() as scratch, Canned(answer, closes) as server:
            request, expect = Path(scratch, "request"), Path(scratch, "expect")
            request.write_bytes(HELLO.request(server.port))
            expect.write_bytes(HELLO.expect)
            command = [self.binary, "--address", f"127.0.0.1:{server.port}", "--connections", "3", "--requests", "30",
                       "--seconds", "20", "--timeout", "0.3", "--request", request, "--expect", expect, *flags]
            done = subprocess.run(command, capture_output=True, text=True, timeout=40)
            return done.returncode, json.loads(done.stdout)

    def test_counts_right_answers(self):
        for flags, closes, opened in (((), False, 3), (("--close",), True, 30)):
            code, result = self.load(GOOD, closes, *flags)
            self.assertEqual((code, result["requests"], result["opened"], result["errors"]), (0, 30, opened, 0), result)

    def test_notices_wrong_ones(self):
        cases = [
            (GOOD.replace(b"200 OK", b"503 No"), False, ()),
            (GOOD.replace(b"world", b"World"), False, ()),
            (GOOD[:-1], False, ()),  # never completed
            (GOOD + b"x", False, ()),
            (GOOD, True, ()),  # closes without a word
            (GOOD, False, ("--close",)),  # does not close
        ]
        for answer, closes, flags in cases:
            with self.subTest(answer=answer, closes=closes, flags=flags):
                code, result = self.load(answer, closes, *flags)
                self.assertEqual(code, 1)
                self.assertGreater(result["errors"], 0)


class H2load(unittest.TestCase):
    def read(self, log: str, data: int) -> dict:
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch, "log")
            place.write_text(log)
            done = subprocess.CompletedProcess([], 0, f"traffic: 1KB (1000) total, 1B (1) headers (space savings 1%), 1B ({data}) data", "")
            return secure.result(next(w for w in workloads.SECURE if w.name == "h2-hello"), 16, done, place)

    def test_reads_what_it_has_logged(self):
        result = self.read("1000000\t200\t500\n1000200\t200\t700\n", 26)
        self.assertEqual((result["requests"], result["errors"], result["p99_us"]), (2, 0, 700), result)
        self.assertAlmostEqual(result["seconds"], 900e-6)

    def test_notices_wrong_answers(self):
        for log, data in (("", 0), ("1\t503\t5\n", 13), ("1\t200\t5\n", 12)):
            self.assertGreater(self.read(log, data)["errors"], 0)


class Robust(unittest.TestCase):
    def test_a_server_that_cannot_even_be_started_is_a_failure_like_any_other(self):
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch)
            bench = measure.Bench(place / "bin" / "python", "", place, place, 0, 0, 0, 0.1, 0.1, 0)
            missing = servers.Server("missing", "asgi", "/does/not/exist {app} {bind}", ())
            found = list(measure.measure(bench, GROUPS[0], missing, HELLO, (1,), 1))
        self.assertEqual([type(result) for result in found], [Failure])
        self.assertIn("FileNotFoundError", found[0].what)
        self.assertIn("/does/not/exist raw_asgi:hello -b 127.0.0.1:", found[0].what)


class Report(unittest.TestCase):
    def summary(self, own: float, *more) -> report.Summary:
        def cell(server, turn, cpu):
            return Cell("asgi", "hello", server, turn, 64, 1000, 5e4, cpu, 1e3, 2e3, 0, 0.01)

        results = [cell("rgun", turn, cpu) for turn, cpu in enumerate((own, own * 5, own / 2))]
        results += [cell("granian", turn, 20.0) for turn in range(3)] + [Start("asgi", "hello", "rgun", 1, 80, 20)]
        about = {"date": "today", "rounds": 3, "seconds": 1, "versions": {"python": "3"}, "machine": {"cpu": "one"}}
        return report.Summary([*results, *more], selected(None, []), "rgun", about)

    def verdict(self, summary: report.Summary) -> str:
        line = next(line for line in report.markdown(summary, "x.svg").splitlines() if "0.50 |" in line and "granian" in line)
        return line.split("|")[-2].strip()

    def test_the_median_is_judged(self):
        self.assertEqual(self.verdict(self.summary(10.0)), "pass")
        self.assertEqual(self.verdict(self.summary(10.2)), "**FAIL**")

    def test_a_server_that_failed_has_no_figures(self):
        summary = self.summary(5.0, Failure("asgi", "hello", "rgun", 3, "status 500"))
        self.assertEqual(self.verdict(summary), "not measured")
        self.assertFalse(summary.bar_met())
        self.assertIn("status 500", report.markdown(summary, "x.svg"))
        self.assertIn("failed", chart.svg(summary))

    def test_what_was_not_measured_is_not_on_the_page(self):
        page = report.markdown(self.summary(10.0), "x.svg")
        self.assertNotIn("not measured", page)


class Chart(unittest.TestCase):
    TEXT = re.compile(r'<text(?: class="(\w+)")? x="([\d.]+)" y="([\d.]+)"( text-anchor="end")?>([^<]*)</text>')

    def pictures(self):
        """The figures that are kept, and long names."""
        kept = json.loads((environment.ROOT / "benches" / "results" / "compare.json").read_text())
        results = measure.from_json(kept.pop("results"))
        yield report.Summary(results, selected(None, []), "rgun", kept)
        long = [Cell("asgi", "hello", name, 1, 64, 1000, 5e4, 20.0, 1e3, 2e3, 1000, 0.01) for name in ("rgun", "a-server-with-quite-a-long-name-indeed")]
        about = {**kept, "machine": {"cpu": "A very long name of a processor " * 8}}
        yield report.Summary(long, selected(None, ["a-server-with-quite-a-long-name-indeed=x"]), "rgun", about)

    def test_every_text_is_inside_and_none_is_printed_over_another(self):
        for summary in self.pictures():
            boxes = []
            for kind, x, y, end, text in self.TEXT.findall(chart.svg(summary)):
                size = {"page": chart.PAGE, "small": chart.SMALL}.get(kind, chart.TEXT)
                wide = lettering.width(unescape(text), size, bold=kind in ("page", "title"))
                left = float(x) - (wide if end else 0)
                boxes.append((left, float(y) - size, left + wide, float(y), text))
            self.assertGreater(len(boxes), 4)
            for left, top, right, bottom, text in boxes:
                self.assertTrue(left >= 0 and right <= chart.WIDTH and top >= 0, text)
            for number, one in enumerate(boxes):
                for other in boxes[:number]:
                    apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
                    self.assertTrue(apart, f"{one[4]!r} over {other[4]!r}")

    def test_the_star_is_in_the_panels_and_explained(self):
        summary = next(self.pictures())
        self.assertIn("gunicorn-sync*", chart.svg(summary))
        self.assertIn(report.NO_KEEP_ALIVE, " ".join(text for *_, text in self.TEXT.findall(chart.svg(summary))))


if __name__ == "__main__":
    unittest.main()
