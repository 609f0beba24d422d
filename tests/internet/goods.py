"""What the servers have to give: a git repository, a package index, a certificate of our CA."""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.internet.addresses import ZONE, Addresses


@dataclass(frozen=True)
class Certificates:
    authority: Path
    """PEM: what a client has to trust."""
    context: ssl.SSLContext


def make_goods(place: Path) -> Path:
    """``repo.git``, ``simple/`` and ``files/`` below `place`."""
    _make_repository(place)
    _make_index(place)
    return place.resolve()


def _make_repository(place: Path) -> None:
    work = place / "work"
    work.mkdir()
    (work / "README").write_text("a repository of the test internet\n")
    (work / "data").write_bytes(hashlib.shake_128(b"data").digest(300_000))
    who = {f"GIT_{part}_{key}": "t@example" for part in ("AUTHOR", "COMMITTER")
           for key in ("NAME", "EMAIL")}  # fmt: skip
    environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": "/dev/null"}
    for words in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["commit", "-q", "-m", "All there is"],
        ["clone", "-q", "--bare", ".", str(place / "repo.git")],
    ):
        subprocess.run(["git", *words], cwd=work, env=environment, check=True, capture_output=True)


def _make_index(place: Path) -> None:
    page = place / "simple" / "runetest"
    page.mkdir(parents=True)
    files = {
        "runetest.py": b"def answer():\n    return 42\n",
        "runetest-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: runetest\nVersion: 1.0\n",
        "runetest-1.0.dist-info/WHEEL": (
            b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')}"
        f",{len(data)}\n"
        for name, data in files.items()
    )
    files["runetest-1.0.dist-info/RECORD"] = f"{record}runetest-1.0.dist-info/RECORD,,\n".encode()
    with zipfile.ZipFile(page / "runetest-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)


def make_certificates(place: Path, addresses: Addresses) -> Certificates:
    """A CA, and a certificate for every name of the zone and the servers' addresses."""
    names = [f"DNS:*.{ZONE}", f"DNS:*.wild.{ZONE}", "DNS:localhost", "IP:127.0.0.1"]
    names += [f"IP:{each}" for each in (addresses.web4, addresses.web6, addresses.inner4)]
    ca, ca_key = place / "ca.pem", place / "ca.key"
    cert, key = place / "cert.pem", place / "cert.key"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    new += ["-nodes", "-days", "2"]
    _run(*new, "-keyout", str(ca_key), "-out", str(ca), "-subj", "/CN=test internet CA",
         "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    _run(*new, "-CA", str(ca), "-CAkey", str(ca_key), "-keyout", str(key), "-out", str(cert),
         "-subj", "/CN=test internet", "-addext", "basicConstraints=critical,CA:FALSE",
         "-addext", f"subjectAltName={','.join(names)}")  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return Certificates(ca, context)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
