"""Both webhooks in one page (docs/webhooks.md): is asked before a message is stored, and told what has happened.

  WEBHOOK_SECRET=at-least-16-characters PORT=9100 python3 docs/examples/webhook.py
  WEBHOOK_BEFORE_SEND_URL=http://127.0.0.1:9100/before-send WEBHOOK_BEFORE_SEND_SECRET=at-least-16-characters \\
  WEBHOOK_EVENTS_URL=http://127.0.0.1:9100/events WEBHOOK_EVENTS_SECRET=at-least-16-characters npm start
"""

import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

secret = os.environ["WEBHOOK_SECRET"]
oldest_s = 300
# An event may come twice, under the same id: what it causes should happen once. Keep this in your database.
seen = set()


def is_from_server(headers, body):
    """Only the server knows the secret; the time is signed too, so that an old post cannot be sent again."""
    sent = headers.get("x-coffeechat-timestamp", "")
    if not sent.isdigit() or abs(time.time() - int(sent)) >= oldest_s:
        return False
    digest = hmac.new(secret.encode(), f"{sent}.".encode() + body, hashlib.sha256).hexdigest()
    given = headers.get("x-coffeechat-signature", "")
    return hmac.compare_digest(given.encode(), f"sha256={digest}".encode())


def verdict_on(message):
    """Refuses some words and masks others; all else may pass."""
    text = message.get("text", "")
    if "forbidden" in text:
        return {"action": "refuse", "code": "MUTED"}
    if "rude" in text:
        return {"action": "change", "text": text.replace("rude", "****")}
    return {"action": "allow"}


def take(told):
    if told["event_id"] in seen:
        return
    seen.add(told["event_id"])
    print(told["event"], told["event_id"], flush=True)


class Webhook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept: the answers come sooner

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not is_from_server(self.headers, body):
            return self.answer(401)
        if self.path == "/before-send":
            return self.answer(200, verdict_on(json.loads(body)))
        take(json.loads(body))
        self.answer(200)

    def answer(self, status, verdict=None):
        body = b"" if verdict is None else json.dumps(verdict).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9100"))), Webhook)
print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
