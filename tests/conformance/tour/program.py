"""What an ordinary Python program may do in a sandbox: run by test_profiles.py."""
# ruff: noqa: F401

import asyncio
import concurrent.futures
import ctypes
import decimal
import fcntl
import hashlib
import json
import logging
import mmap
import multiprocessing as mp
import multiprocessing.shared_memory
import os
import pty
import queue
import random
import resource
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request
import uuid
import zipfile
import zoneinfo

box = queue.Queue()
threads = [threading.Thread(target=box.put, args=(n,)) for n in range(8)]
[each.start() for each in threads]
[each.join() for each in threads]
assert sorted(box.queue) == list(range(8))
with mp.get_context("fork").Pool(2) as pool:
    assert pool.map(abs, [-1, 2]) == [1, 2]
with concurrent.futures.ProcessPoolExecutor(2, mp.get_context("fork")) as pool:
    assert list(pool.map(abs, [-3])) == [3]
shared = mp.shared_memory.SharedMemory(create=True, size=64)
shared.unlink()


async def main():
    child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    out, _ = await child.communicate(b"x")
    await asyncio.to_thread(time.sleep, 0)
    return out


assert asyncio.run(main()) == b"x"
base = sqlite3.connect("/tmp/base")
base.execute("pragma journal_mode=wal")
base.execute("create table t(a)")
base.execute("insert into t values (1)")
base.commit()
base.close()
with tempfile.NamedTemporaryFile() as file:
    file.write(b"0" * 9000)
    file.flush()
    fcntl.flock(file, fcntl.LOCK_EX)
    with mmap.mmap(file.fileno(), 0) as view:
        assert view[:1] == b"0"
    copy = os.open("/tmp/copy", os.O_RDWR | os.O_CREAT)
    os.sendfile(copy, file.fileno(), 0, 100)
    os.copy_file_range(file.fileno(), copy, 100, 0)
    os.posix_fallocate(copy, 0, 8192)
    os.fsync(copy)
one, two = socket.socketpair()
one.send(b"a")
poll = select.epoll()
poll.register(two, select.EPOLLIN)
assert poll.poll(1)
socket.send_fds(one, [b"f"], [0])
two.recv(1)
_, fds, _, _ = socket.recv_fds(two, 1, 1)
assert fds
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.01)
signal.pause()
with zipfile.ZipFile("/tmp/z.zip", "w") as file:
    file.writestr("a", "b")
with tarfile.open("/tmp/t.tar.gz", "w:gz") as file:
    file.add("/tmp/z.zip")
shutil.copytree(
    "/etc",
    "/tmp/etc",
    symlinks=True,
    ignore=lambda d, names: [n for n in names if not os.access(f"{d}/{n}", os.R_OK)],
)
assert (
    subprocess.run(["sh", "-c", "echo $0", "q"], capture_output=True, check=True).stdout == b"q\n"
)
os.close(os.openpty()[0])
os.sched_yield()
os.getrandom(8)
os.nice(1)
resource.getrlimit(resource.RLIMIT_CPU)
ctypes.CDLL(None).getpid()
hashlib.scrypt(b"a", salt=b"b", n=2, r=1, p=1)
ssl.create_default_context()
os.memfd_create("m")
os.eventfd(0)
random.random()
uuid.uuid4()
decimal.Decimal(1)
json.dumps({})
logging.getLogger().warning("w")
print("done")
