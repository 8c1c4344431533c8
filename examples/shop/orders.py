"""Counts orders, and keeps the count in its volume."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

COUNT = Path("/data/count")


class Orders(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(self.count())

    def do_POST(self) -> None:
        count = self.count() + 1
        beside = COUNT.with_suffix(".new")
        beside.write_text(str(count))
        beside.replace(COUNT)
        self.answer(count)

    def count(self) -> int:
        return int(COUNT.read_text()) if COUNT.exists() else 0

    def answer(self, count: int) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(count).encode())


HTTPServer(("", 9000), Orders).serve_forever()
