#!/usr/bin/env python3
"""Hostile handshakes, frames and slow behaviours against a running gateway, each with the status or close code it must
end with, and a healthy client beside them.

    catalogue.py HOST:PORT [--slow] [--only WORD]

Standard library only. Exit 0 when nothing failed. PASS = as stated; WEAK = the connection ended without a word;
FAIL = anything else. Load only on loopback.
"""
import base64, hashlib, os, random, socket, struct, sys, threading, time

KEY = base64.b64encode(b"0123456789abcdef").decode()
CONT, TEXT, BIN, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
HELLO = b'{"op":"hello","id":1}'


def frame(op, payload=b"", fin=True, rsv=0, mask=b"\x11\x22\x33\x44", size=None, claim=None):
    n = len(payload) if claim is None else claim
    head = bytes([(0x80 if fin else 0) | rsv << 4 | op])
    m = 0x80 if mask is not None else 0
    if size == 8 or (size is None and n > 65535):
        head += bytes([m | 127]) + struct.pack(">Q", n)
    elif size == 2 or (size is None and n > 125):
        head += bytes([m | 126]) + struct.pack(">H", n)
    else:
        head += bytes([m | n])
    if mask is None:
        return head + payload
    return head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload))


def request(host, method="GET", path="/ws", version="HTTP/1.1", drop=(), add=(), change=None):
    headers = [("Host", host), ("Upgrade", "websocket"), ("Connection", "Upgrade"),
               ("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Version", "13")]
    change = change or {}
    headers = [(k, change.get(k, v)) for k, v in headers if k not in drop] + list(add)
    lines = [f"{method} {path} {version}"] + [f"{k}: {v}" for k, v in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Peer:
    def __init__(self, address, timeout=12.0, receive=None):
        self.s = socket.socket()
        if receive:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.s.settimeout(timeout)
        self.s.connect(address)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""
        self.frames = []

    def send(self, data):
        try:
            self.s.sendall(data)
            return True
        except OSError:
            return False

    def more(self):
        try:
            got = self.s.recv(65536)
        except socket.timeout:
            return None
        except OSError:
            got = b""
        self.buf += got
        return bool(got)

    def status(self):
        """Status of one answer, its head and what of the body came with it; 'drop' or 'hang'."""
        while b"\r\n\r\n" not in self.buf:
            more = self.more()
            if not more:
                return "hang" if more is None else "drop"
        head, self.buf = self.buf.split(b"\r\n\r\n", 1)
        self.head = head.decode("latin-1").lower()
        return int(head.split()[1])

    def upgrade(self, host, **kw):
        self.send(request(host, **kw))
        return self.status()

    def next(self):
        while True:
            if len(self.buf) >= 2:
                n, at = self.buf[1] & 127, 2
                if n == 126 and len(self.buf) >= 4:
                    n, at = struct.unpack(">H", self.buf[2:4])[0], 4
                elif n == 127 and len(self.buf) >= 10:
                    n, at = struct.unpack(">Q", self.buf[2:10])[0], 10
                elif n > 125:
                    at = 1 << 62
                if len(self.buf) >= at + n:
                    op, payload = self.buf[0] & 15, self.buf[at:at + n]
                    self.buf = self.buf[at + n:]
                    return op, payload
            more = self.more()
            if not more:
                return ("hang" if more is None else "drop"), b""

    def end(self):
        """The close code; 'empty' without one, 'drop' or 'hang' without a close frame. Answers no ping."""
        while True:
            op, payload = self.next()
            if op == CLOSE:
                self.reason = payload[2:].decode()
                return struct.unpack(">H", payload[:2])[0] if payload else "empty"
            if isinstance(op, str):
                return op
            self.frames.append((op, payload))

    def ends_stream(self):
        """After the close frame the server must end its side."""
        while True:
            more = self.more()
            if more is None:
                return False
            if more is False:
                return True

    def close(self):
        self.s.close()


def handshakes(host):
    r = lambda **kw: request(host, **kw)
    huge = "x" * 15000
    yield "plain", r(), 101
    yield "lower-case header names", r().replace(b"Upgrade: websocket", b"upgrade: WebSocket"), 101
    yield "connection list", r(change={"Connection": "keep-alive, Upgrade"}), 101
    yield "upgrade list", r(change={"Upgrade": "h2c, websocket"}), (101, 400, 426)
    yield "content-length 0", r(add=[("Content-Length", "0")]), 101
    yield "query", r(path="/ws?a=b"), 101
    for m in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "FOO"):
        yield f"method {m}", r(method=m), 405
    yield "method get in lower case", r(method="get"), (400, 405)
    yield "CONNECT", b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", (400, 404, 405)
    yield "HTTP/1.0", r(version="HTTP/1.0"), (400, 426, 505)
    yield "HTTP/2.0 in the line", r(version="HTTP/2.0"), (400, 505)
    yield "HTTP/0.9", b"GET /ws\r\n\r\n", (400, 505)
    yield "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505, "drop")
    for h, want in (("Host", 400), ("Upgrade", 426), ("Connection", 426), ("Sec-WebSocket-Key", 400), ("Sec-WebSocket-Version", 426)):
        yield f"without {h}", r(drop=[h]), (want, 400, 426) if want != 400 else 400
    yield "two Hosts", r(add=[("Host", "other")]), 400
    yield "two keys", r(add=[("Sec-WebSocket-Key", KEY)]), 400
    yield "two versions", r(add=[("Sec-WebSocket-Version", "13")]), (400, 426)
    yield "version list", r(change={"Sec-WebSocket-Version": "13, 8"}), (400, 426)
    for v in ("", "0", "8", "12", "14", "013", "abc", "13.0", "-13", "99999999999"):
        yield f"version {v!r}", r(change={"Sec-WebSocket-Version": v}), (400, 426)
    for name, k in (("empty", ""), ("3 bytes", "YWJj"), ("15 bytes", base64.b64encode(b"x" * 15).decode()),
                    ("17 bytes", base64.b64encode(b"x" * 17).decode()), ("no base64", "!" * 22 + "=="),
                    ("no padding", KEY[:22]), ("one =", KEY[:23]), ("loose bits", KEY[:21] + "B=="), ("inner =", "=" + KEY[1:]),
                    ("url alphabet", "-_" * 11 + "=="), ("100 bytes", base64.b64encode(b"x" * 100).decode())):
        yield f"key {name}", r(change={"Sec-WebSocket-Key": k}), 400
    for u in ("", "h2c", "websockets", "web socket", "websocket/13x"):
        yield f"upgrade {u!r}", r(change={"Upgrade": u}), (400, 426)
    for c in ("", "keep-alive", "close", "upgraded", "Up grade"):
        yield f"connection {c!r}", r(change={"Connection": c}), (400, 426)
    yield "body by length", r(add=[("Content-Length", "5")]) + b"hello", 400
    yield "body by chunks", r(add=[("Transfer-Encoding", "chunked")]) + b"0\r\n\r\n", 400
    yield "length and chunks", r(add=[("Content-Length", "5"), ("Transfer-Encoding", "chunked")]) + b"0\r\n\r\n", 400
    yield "two lengths", r(add=[("Content-Length", "0"), ("Content-Length", "1")]), 400
    yield "length -1", r(add=[("Content-Length", "-1")]), 400
    yield "length 2^70", r(add=[("Content-Length", str(1 << 70))]), (400, 413)
    for o in ("https://evil.example", "null", "", "http://127.0.0.1.evil.example", "http://localhost.evil.example",
              "http://evil.example:80@127.0.0.1", "file://", "127.0.0.1", "http://127.0.0.2"):
        yield f"origin {o!r}", r(add=[("Origin", o)]), 403
    yield "two origins", r(add=[("Origin", f"http://{host}"), ("Origin", "https://evil.example")]), 403
    yield "own origin", r(add=[("Origin", f"http://{host}")]), 101
    yield "loopback origin", r(add=[("Origin", "http://localhost:5173")]), 101
    yield "rebound name: Host and Origin agree, on a loopback listener", \
        request("evil.example", add=[("Origin", "http://evil.example")]), (400, 403, 421)
    yield "subprotocol unknown", r(add=[("Sec-WebSocket-Protocol", "chat")]), 400
    yield "subprotocol empty", r(add=[("Sec-WebSocket-Protocol", "")]), 400
    yield "subprotocol not ASCII", r(add=[("Sec-WebSocket-Protocol", "caf\xe9")]), 400
    yield "subprotocol commas", r(add=[("Sec-WebSocket-Protocol", "," * 500)]), 400
    yield "subprotocol second", r(add=[("Sec-WebSocket-Protocol", "chat, tickgate.v1.json")]), 101
    yield "extension offered", r(add=[("Sec-WebSocket-Extensions", "permessage-deflate")]), 101
    for p in ("/", "/nope", "/ws/", "//ws", "/../ws", "/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "/ws%00"):
        yield f"path {p}", r(path=p), (200, 404) if p == "/" else 404
    yield "path with a bare space", r(path="/w s"), 400
    yield "path without slash", r(path="ws"), (400, 404)
    yield "path of 20,000", r(path="/" + "a" * 20000), (414, 431)
    yield "header of 15,000", r(add=[("X", huge)]), (101, 431)
    yield "header of 20,000", r(add=[("X", "x" * 20000)]), 431
    yield "65 headers", r(add=[(f"X{i}", "1") for i in range(60)]), 431
    yield "1,000 headers", r(add=[(f"X{i}", "1") for i in range(1000)]), 431
    yield "folded header", r().replace(b"\r\n\r\n", b"\r\nX: a\r\n b\r\n\r\n"), (101, 400)
    yield "header name with space", r().replace(b"\r\n\r\n", b"\r\nX : a\r\n\r\n"), 400
    yield "header without colon", r().replace(b"\r\n\r\n", b"\r\nnocolon\r\n\r\n"), 400
    yield "NUL in a value", r().replace(b"\r\n\r\n", b"\r\nX: a\x00b\r\n\r\n"), 400
    yield "bare CR in a value", r().replace(b"\r\n\r\n", b"\r\nX: a\rb\r\n\r\n"), 400
    yield "empty name", r().replace(b"\r\n\r\n", b"\r\n: a\r\n\r\n"), 400
    yield "TLS hello on the plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400
    yield "binary noise", bytes(range(128, 256)) * 4, 400


def small_frames():
    """Name, bytes behind a handshake, what it must end with."""
    bad = frame(TEXT, b"\xff\xfe")
    for rsv in range(1, 8):
        yield f"reserved bits {rsv}", frame(TEXT, b"{}", rsv=rsv), 1002
    for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield f"opcode {op}", frame(op, b""), 1002
    for op in (TEXT, PING, PONG, CLOSE, BIN, CONT):
        yield f"unmasked {op}", frame(op, b"", mask=None), 1002
    for op in (PING, PONG, CLOSE):
        yield f"long control {op}", frame(op, b"\x03\xe8" + b"x" * 124), 1002
        yield f"cut control {op}", frame(op, b"", fin=False), 1002
        yield f"control {op} claims 2^40", frame(op, b"", size=8, claim=1 << 40), 1002
    yield "control with a two-byte length", frame(PING, b"ab", size=2), 1002
    yield "continuation of nothing", frame(CONT, b"x"), 1002
    yield "unfinished continuation of nothing", frame(CONT, b"x", fin=False), 1002
    yield "text in a text", frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002
    yield "binary in a text", frame(TEXT, b"a", fin=False) + frame(BIN, b"b"), 1002
    yield "2-byte length of 5", frame(TEXT, b"hello", size=2), 1002
    yield "2-byte length of 125", frame(TEXT, b"x" * 125, size=2), 1002
    yield "8-byte length of 5", frame(TEXT, b"hello", size=8), 1002
    yield "8-byte length of 65,535", frame(TEXT, b"x" * 65535, size=8), 1002
    yield "length with its top bit", frame(TEXT, b"", size=8, claim=1 << 63), 1002
    yield "length 2^64-1", frame(TEXT, b"", size=8, claim=(1 << 64) - 1), 1002
    yield "length 2^63-1", frame(TEXT, b"", size=8, claim=(1 << 63) - 1), 1009
    yield "length 2^40", frame(TEXT, b"", size=8, claim=1 << 40), 1009
    yield "one above the limit", frame(TEXT, b"", size=8, claim=65537), 1009
    yield "fragments above the limit", frame(TEXT, b" " * 40000, fin=False) + frame(CONT, b" " * 40000), 1009
    yield "65 fragments", frame(TEXT, b"{", fin=False) + frame(CONT, b" ", fin=False) * 70, (1008, 1009)
    yield "empty fragments without end", frame(TEXT, b"", fin=False) + frame(CONT, b"", fin=False) * 5000, (1008, 1009)
    yield "binary", frame(BIN, b"x"), 1003
    yield "binary in pieces", frame(BIN, b"x", fin=False) + frame(CONT, b"y"), 1003
    yield "text FF", bad, 1007
    yield "overlong", frame(TEXT, b"\xc0\xaf"), 1007
    yield "surrogate", frame(TEXT, b"\xed\xa0\x80"), 1007
    yield "above U+10FFFF", frame(TEXT, b"\xf4\x90\x80\x80"), 1007
    yield "cut character at the end", frame(TEXT, b"\xe2\x82"), 1007
    yield "cut over fragments, ends cut", frame(TEXT, b"\xe2", fin=False) + frame(CONT, b"\x82"), 1007
    yield "bad second fragment, no end", frame(TEXT, b"ok", fin=False) + frame(CONT, b"\xff", fin=False), 1007
    yield "bad bytes of an unfinished frame", frame(TEXT, b"\xff" * 9, claim=100), 1007
    yield "bad text after a ping inside", frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(CONT, b"\xff"), 1007
    yield "close 1000", frame(CLOSE, b"\x03\xe8"), 1000
    yield "close 1001", frame(CLOSE, b"\x03\xe9"), 1001
    yield "close 3000 with words", frame(CLOSE, b"\x0b\xb8bye"), 3000
    yield "close 4999", frame(CLOSE, struct.pack(">H", 4999)), 4999
    yield "close empty", frame(CLOSE), ("empty", 1000)
    yield "close of one byte", frame(CLOSE, b"\x03"), 1002
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        yield f"close code {code}", frame(CLOSE, struct.pack(">H", code)), 1002
    yield "close with bad text", frame(CLOSE, b"\x03\xe8\xff"), 1007
    yield "close in a message", frame(TEXT, b"a", fin=False) + frame(CLOSE, b"\x03\xe8"), 1000
    yield "nothing is read behind a close", frame(CLOSE, b"\x03\xe8") + frame(BIN, b"x") + bad, 1000
    yield "a fault is told behind pings", frame(PING, b"a") * 20 + frame(3), 1002
    yield "HTTP on a socket", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1002
    yield "zeros", bytes(100), 1002
    yield "ones", b"\xff" * 100, 1002
    yield "20 bad JSON", frame(TEXT, b"nope") * 25, 1008
    yield "too many messages", frame(TEXT, b'{"op":"ping"}') * 1000, (1008, 4429)


class Healthy(threading.Thread):
    def __init__(self, address, host):
        super().__init__(daemon=True)
        self.p, self.stop, self.worst, self.count, self.error = Peer(address), False, 0.0, 0, None
        if self.p.upgrade(host) != 101:
            sys.exit("the healthy client got no socket")
        self.p.send(frame(TEXT, HELLO))

    def run(self):
        while not self.stop:
            t = time.monotonic()
            self.p.send(frame(PING, b"%d" % self.count))
            while True:
                op, payload = self.p.next()
                if op == PONG and payload == b"%d" % self.count:
                    break
                if isinstance(op, str) or op == CLOSE:
                    self.error = (op, payload)
                    return
            self.worst, self.count = max(self.worst, time.monotonic() - t), self.count + 1
            time.sleep(0.02)


RESULTS, LOCK = [], threading.Lock()


def judge(name, got, want):
    want = want if isinstance(want, tuple) else (want,)
    mark = "PASS" if got in want else "WEAK" if got == "drop" else "FAIL"
    with LOCK:
        RESULTS.append(mark)
        if mark != "PASS":
            print(f"{mark} {name}: {got}, not {want}", flush=True)


def run_fast(address, host, only):
    for name, data, want in handshakes(host):
        if only not in name:
            continue
        p = Peer(address)
        p.send(data)
        judge("handshake: " + name, p.status(), want)
        p.close()
    rng = random.Random(5)
    for way in ("at once", "with the handshake", "in pieces"):
        for name, data, want in small_frames():
            if only not in name or (way == "in pieces" and len(data) > 3000):
                continue
            p = Peer(address)
            if way == "with the handshake":
                p.send(request(host) + frame(TEXT, HELLO) + data)
                got = p.status()
            else:
                got = p.upgrade(host)
                p.send(frame(TEXT, HELLO))
                at = 0
                while at < len(data):
                    n = len(data) if way == "at once" else rng.randint(1, max(1, len(data) // 6))
                    if not p.send(data[at:at + n]):
                        break
                    at += n
                    if way == "in pieces":
                        time.sleep(0.0005)
            got = p.end() if got == 101 else got
            judge(f"frame {way}: {name}", got, want)
            if isinstance(got, int):
                judge(f"stream ends {way}: {name}", p.ends_stream(), True)
            p.close()


def slow_cases(address, host):
    def silent():
        return Peer(address, 30).status()

    def half_head():
        p = Peer(address, 30)
        p.send(b"GET /ws HTTP/1.1\r\nHost: ")
        return p.status()

    def drip():
        p, start = Peer(address, 1), time.monotonic()
        for b in request(host):
            if not p.send(bytes([b])):
                break
            time.sleep(0.2)
            if time.monotonic() - start > 20:
                return "lives"
            if p.more() is False:
                break
        return p.status() if p.buf else "drop"

    def upgraded(say_hello=True, timeout=100, receive=None):
        p = Peer(address, timeout, receive)
        assert p.upgrade(host) == 101
        if say_hello:
            p.send(frame(TEXT, HELLO))
        return p

    def no_hello():
        return upgraded(False, 40).end()

    def no_hello_but_pings():
        p = upgraded(False, 40)
        threading.Thread(target=lambda: [p.send(frame(PING)) or time.sleep(1) for _ in range(25)], daemon=True).start()
        return p.end()

    def no_pong():
        return upgraded().end()

    def dribbling_frame():
        p = upgraded()
        p.send(frame(TEXT, b" ", claim=120))
        threading.Thread(target=lambda: [p.send(b"x") and time.sleep(1) for _ in range(80)], daemon=True).start()
        return p.end()

    def never_reads():
        p = upgraded(receive=4096)
        p.s.setblocking(False)
        start, sent = time.monotonic(), 0
        while time.monotonic() - start < 80:
            try:
                sent += p.s.send(frame(PING, b"x" * 125) * 20)
            except BlockingIOError:
                time.sleep(0.25)
            except OSError:
                return "ended"
        return f"lives, took {sent}"

    def after_close_keeps_sending():
        p, start = upgraded(), time.monotonic()
        p.send(frame(3))
        code = p.end()
        while time.monotonic() - start < 20:
            if not p.send(bytes(1000)):
                return code if time.monotonic() - start < 6 else "late"
            time.sleep(0.05)
        return "lives"

    for case, want in ((silent, ("drop", 408)), (half_head, ("drop", 408)), (drip, ("drop", 408)),
                       (no_hello, 4408), (no_hello_but_pings, 4408), (no_pong, 1011), (dribbling_frame, 1011),
                       (never_reads, "ended"), (after_close_keeps_sending, 1002)):
        yield case, want


def main():
    where = sys.argv[1]
    host, port = where.rsplit(":", 1)
    address = (host, int(port))
    only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""
    healthy = Healthy(address, where)
    healthy.start()
    threads = []
    if "--slow" in sys.argv:
        for case, want in slow_cases(address, where):
            def go(case=case, want=want):
                start = time.monotonic()
                got = case()
                print(f"     slow {case.__name__}: {got} after {time.monotonic() - start:.1f} s", flush=True)
                judge("slow: " + case.__name__, got, want)
            threads.append(threading.Thread(target=go, daemon=True))
            threads[-1].start()
    run_fast(address, where, only)
    for thread in threads:
        thread.join(120)
    healthy.stop = True
    healthy.join(15)
    judge("healthy client", healthy.error, None)
    counts = {mark: RESULTS.count(mark) for mark in ("PASS", "WEAK", "FAIL")}
    print(f"{counts}; healthy: {healthy.count} pings, worst {healthy.worst * 1000:.1f} ms")
    sys.exit(1 if counts["FAIL"] else 0)


main()
