# SPDX-License-Identifier: BSD-2-Clause
"""
A TCP server for tests: sink.py NAME PORT. Answers each HTTP request with NAME, of /N with N bytes; a request with a body
with NAME, the number of bytes and their SHA-256. Both families, one thread a connection.
"""

import hashlib
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME, PORT = sys.argv[1], int(sys.argv[2])


class Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 512

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.bind(self.server_address)


class Handler(BaseHTTPRequestHandler):
    def answer(self, text):
        body = (text + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        size = self.path.strip("/")
        self.answer(NAME.ljust(int(size) - 1, ".") if size.isdigit() else NAME)

    def do_PUT(self):
        left = size = int(self.headers["Content-Length"])
        digest = hashlib.sha256()
        while left > 0:
            data = self.rfile.read1(min(left, 65536))
            if not data:
                return
            digest.update(data)
            left -= len(data)
        self.answer(f"{NAME} {size} {digest.hexdigest()}")

    def log_message(self, *_):
        pass


server = Server(("::", PORT), Handler)
print("ready", flush=True)
server.serve_forever()
