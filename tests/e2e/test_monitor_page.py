"""The page of the monitor: the numbers of `status` for a browser, without a script."""

from html.parser import HTMLParser

from harness.client import Client
from harness.waiting import eventually


class Cells(HTMLParser):
    """The texts of all cells, and the names of all elements."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.cells, self.attributes = set(), [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes.update({(tag, name): value for name, value in attrs})
        if tag in ("td", "th", "h1", "title"):
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


def ask(server, method="GET"):
    port = int(server.log.wait(r"probes and metrics address=\"?http://127\.0\.0\.1:(\d+)").group(1))
    with Client.tcp("127.0.0.1", port) as client:
        client.request(method, "/-/", headers=[("connection", "close")])
        return client.response(method)


def test_numbers_of_the_server_and_nothing_of_its_clients(serve):
    server = serve("hello.py", "--admin-bind", "127.0.0.1:0", "--name", "<b>&shop", "--beside", "sleep 600", workers=2)
    assert server.get("/token?secret=1").status == 200
    page = eventually(lambda: (page := ask(server)) and "sleep" in page.text and page, "the companion is shown")
    assert page.status == 200 and page.header("content-type") == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.header("content-security-policy") and page.header("cache-control") == "no-store"
    read = Cells(page.text)
    assert {"script", "b", "img", "link", "form"}.isdisjoint(read.elements)
    assert read.attributes["meta", "http-equiv"] == "refresh"
    assert any(cell.startswith("<b>&shop serving") for cell in read.cells), read.cells
    pids = server.wait_ready(2)
    assert all(str(pid) in read.cells for pid in pids.values()), read.cells
    assert "secret" not in page.text and "token" not in page.text
    assert "2 of 2 workers serve" in page.text


def test_only_to_be_read(serve):
    server = serve("hello.py", "--admin-bind", "127.0.0.1:0")
    assert ask(server, "HEAD").status == 200
    assert ask(server, "POST").status == 405
