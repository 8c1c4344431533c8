"""Shows how many orders there are."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with urlopen("http://orders:9000/", timeout=5) as answer:
            count = answer.read()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(count + b" orders\n")


ThreadingHTTPServer(("", 8000), Page).serve_forever()
