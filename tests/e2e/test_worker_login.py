"""Servers that ask who is there: each way to log in works, and fails where it is wrong."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import absent
from tests.nats_server import NatsServer, server_binary
from tests.queue_bench import Bench

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def bench(tmp_path: Path, module_cache: Path) -> Iterator[Bench]:
    server_binary()
    made = Bench(tmp_path, module_cache, NatsServer(tmp_path / "nats"))
    yield made
    made.end()
    made.server.stop()


def serve(bench: Bench, config: str) -> None:
    path = bench.place / "server.conf"
    path.write_text(config)
    bench.server = NatsServer(bench.place / "nats", "-c", str(path))
    bench.server.start()


def publishes(bench: Bench, **variables: str) -> bool:
    done = bench.command("publish", "samples/ok.json", **variables)
    if done.returncode:
        assert (done.returncode, b"MR-460" in done.stderr) == (4, True), done.stderr
    return done.returncode == 0


def test_a_token(bench: Bench) -> None:
    serve(bench, 'authorization { token: "t0ken" }')
    assert not publishes(bench)
    assert not publishes(bench, NATS_TOKEN="wrong")
    assert publishes(bench, NATS_TOKEN="t0ken")


def test_a_user(bench: Bench) -> None:
    serve(bench, 'authorization { users = [ {user: me, password: "p w"} ] }')
    assert not publishes(bench, NATS_USER="me", NATS_PASSWORD="wrong")
    assert publishes(bench, NATS_USER="me", NATS_PASSWORD="p w")


def test_an_nkey(bench: Bench) -> None:
    nkeys = pytest.importorskip("nkeys")
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    public = nkeys.from_seed(bytearray(seed)).public_key.decode()
    path = bench.place / "seed"
    path.write_bytes(seed)
    serve(bench, f"authorization {{ users = [ {{nkey: {public}}} ] }}")
    assert not publishes(bench)
    assert publishes(bench, NATS_NKEY=str(path))


def test_tls_with_certificates_of_both(bench: Bench) -> None:
    if shutil.which("openssl") is None:
        absent("openssl is not installed")
    place = bench.place

    def make(name: str, *options: str) -> None:
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        words += ["-nodes", "-days", "2", "-subj", f"/CN={name}", *options]
        words += ["-keyout", str(place / f"{name}.key"), "-out", str(place / f"{name}.pem")]
        subprocess.run(words, check=True, capture_output=True)

    make("server", "-addext", "subjectAltName=IP:127.0.0.1")
    make("client", "-addext", "extendedKeyUsage=clientAuth")
    tls = f'cert_file: "{place}/server.pem", key_file: "{place}/server.key"'
    serve(bench, f'tls {{ {tls}, ca_file: "{place}/client.pem", verify: true }}')
    own = {"NATS_CERT": f"{place}/client.pem", "NATS_KEY": f"{place}/client.key"}
    assert not publishes(bench)
    assert not publishes(bench, **own)  # a server that nobody vouches for
    assert not publishes(bench, NATS_CA=f"{place}/server.pem")  # a client that has no name
    both = {"NATS_CA": f"{place}/server.pem", **own}
    assert publishes(bench, **both)
    # asyncio complains of a stream that does not know that it is encrypted.
    for without in ((), ("tls",)):
        done = bench.command("publish", "samples/ok.json", without=without, **both)
        assert (b"eof_received" in done.stderr) == bool(without), done.stderr


def test_credentials_of_an_operators_account(bench: Bench) -> None:
    pytest.importorskip("nkeys")
    from tests.nats_jwt import Realm

    realm = Realm()
    serve(bench, realm.config)
    mine, strange = bench.place / "mine.creds", bench.place / "strange.creds"
    mine.write_text(realm.credentials())
    strange.write_text(realm.credentials(by_stranger=True))
    assert not publishes(bench)
    assert not publishes(bench, NATS_CREDS=str(strange))
    assert publishes(bench, NATS_CREDS=str(mine))
    bench.worker(NATS_CREDS=str(mine))
    done = bench.command(
        "publish", "samples/ok.json", "--attach", "--wait", "30", NATS_CREDS=str(mine)
    )
    assert done.returncode == 0, done.stderr


WORKER = "run.req.*, run.res.*, run.dlq.*, $KV.RUN_CLAIMS.*, $JS.API.>, $JS.ACK.>, _INBOX.>"
PUBLISHER = "run.req.default, $JS.API.STREAM.INFO.*, $JS.API.STREAM.MSG.GET.RUN_RES"


def test_rights_that_docs_name_are_enough_and_no_more(bench: Bench) -> None:
    """docs/worker.md, "Who may do what"."""

    def user(name: str, publish: str, subscribe: str) -> str:
        def listed(subjects: str) -> str:
            return ", ".join(f'"{each.strip()}"' for each in subjects.split(","))

        rights = f"publish: [{listed(publish)}], subscribe: [{listed(subscribe)}]"
        return f"{{user: {name}, password: p, permissions: {{{rights}}}}}"

    users = [user("w", WORKER, "_INBOX.>"), user("p", PUBLISHER, "run.res.*, _INBOX.>")]
    serve(bench, f"authorization {{ users = [ {', '.join(users)} ] }}")
    publisher = {"NATS_USER": "p", "NATS_PASSWORD": "p"}
    bench.worker(NATS_USER="w", NATS_PASSWORD="p")
    bench.until_said("ready")
    done = bench.command("publish", "samples/ok.json", "--wait", "30", **publisher)
    assert done.returncode == 0, done.stderr
    bad = bench.place / "bad.json"
    bad.write_bytes(b"{}")

    async def forge(js: object, subject: str) -> bool:
        try:
            await js.publish(subject, b"x", timeout=1)  # type: ignore[attr-defined]
        except Exception:  # noqa: BLE001 - refused: no answer comes
            return False
        return True

    async def work() -> list[bool]:
        import nats

        client = await nats.connect(bench.server.url, user="p", password="p")
        js = client.jetstream()
        told = [await forge(js, "run.req.default")]  # the control: this one may
        told += [await forge(js, each) for each in ("run.res.r_1", "$KV.RUN_CLAIMS.k")]
        await client.close()
        return told

    assert asyncio.run(work()) == [True, False, False]
