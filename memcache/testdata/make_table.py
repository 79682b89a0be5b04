"""Writes selection.json, the table that TestSelectorAgreesWithTheClientsOfTheTable reads.

	/usr/bin/python3 make_table.py

Needs memcached, pylibmc and python-memcached (Debian: memcached, python3-pylibmc,
python3-memcache) and Linux, where all of 127.0.0.0/8 is this machine. It starts
memcached on each address below, sets the keys with the Python clients, and reads
from each server which keys it got. At the end it stops the servers.
"""

import itertools
import json
import os
import random
import socket
import string
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
SOCKETS = ["/tmp/cachewire-table-%d.sock" % n for n in range(1, 4)]

DEFAULT_PORT = ["127.0.10.%d:11211" % n for n in range(1, 26)]
OTHER_PORTS = ["127.0.0.1:%d" % port for port in range(21301, 21306)]
TIED = ["127.0.24.12:11211", "127.0.24.160:11211"]  # six of their points are equal
DIGITS = string.digits + string.ascii_lowercase
UNUSED = ["127.0.10.99:11211", "127.0.0.1:21399"]  # no server listens here


def servers(addrs, weights=None):
    return [{"addr": a, "weight": w} for a, w in zip(addrs, weights or [1] * len(addrs), strict=True)]


# pylibmc does not accept a list with both sockets and hosts.
MIXED = ["[::1]:11211", DEFAULT_PORT[0], "localhost:21306", "[::1]:21307", OTHER_PORTS[0]]
LISTS = [
    servers(DEFAULT_PORT[:1]),
    servers(DEFAULT_PORT[:3]),
    servers(DEFAULT_PORT[2::-1]),
    servers(OTHER_PORTS[:3]),
    servers(MIXED),
    servers(SOCKETS),
    servers(TIED),
    servers(TIED[::-1]),
    servers(DEFAULT_PORT[:10]),
    servers(DEFAULT_PORT),  # rounding to float32 gives each of 25 servers one digest less
]
WEIGHTED = [
    servers(DEFAULT_PORT[:3], [1, 2, 3]),
    servers(OTHER_PORTS[:3], [5, 1, 1]),
    servers(OTHER_PORTS[:2] + DEFAULT_PORT[:1], [2, 2, 2]),
    servers(OTHER_PORTS + DEFAULT_PORT[:2], [1, 7, 3, 3, 10, 1, 100]),
    servers(DEFAULT_PORT[:10], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]),
    servers(OTHER_PORTS[:2], [1, 1000]),  # the first has no point on a ring
    servers(OTHER_PORTS[:3], [65535, 1, 65535]),
]
DEAD = [
    servers(DEFAULT_PORT[:2] + UNUSED[:1]),
    servers(UNUSED[1:] + OTHER_PORTS[:3]),
    servers(DEFAULT_PORT[:2] + UNUSED[:1] + DEFAULT_PORT[2:4] + UNUSED[1:]),
]
PYTHON_DEAD = [
    servers(UNUSED + DEFAULT_PORT[:1], [2, 3, 1]),
    servers(UNUSED[:1] + DEFAULT_PORT[:2], [5, 1, 1]),  # takes many tries
]
JOBS = (
    [("ketama", s) for s in LISTS + WEIGHTED + DEAD]
    + [("ketama_weighted", s) for s in LISTS + WEIGHTED + DEAD]
    + [("python_memcached", s) for s in LISTS + WEIGHTED + DEAD + PYTHON_DEAD]
    + [("modula", s) for s in LISTS]
)


def make_keys():
    rng = random.Random(1449)
    printable = bytes(range(0x21, 0x7F))
    keys = [bytes(rng.choices(printable, k=n)) for n in range(1, 251)]
    letters = "äöüßéñłçøñ" "жцчшщыэюя" "中文字漢字" "日本語" "🙂🚀" "abc:-_0123456789"
    keys += ["".join(rng.choices(letters, k=rng.randint(1, 40))).encode() for _ in range(100)]
    high = bytes(range(0x80, 0x100))
    keys += [bytes(rng.choices(high, k=n)) for n in range(1, 51)]
    keys += [bytes(rng.choices(printable + high, k=rng.randint(2, 60))) for _ in range(50)]
    keys += [b"user:%d" % n for n in range(50)]
    users = (b"user:%d" % n for n in itertools.count())
    # python-memcached replaces a hash of 0 by 1.
    keys += itertools.islice((key for key in users if zlib.crc32(key) >> 16 & 0x7FFF == 0), 5)
    return list(dict.fromkeys(keys))


def connect(addr):
    if addr.startswith("/"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(addr)
        return s
    host, port = addr.rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), timeout=5)


def start(addr):
    """Starts memcached on addr and returns the process when it accepts connections."""
    args = ["memcached", "-m", "16", "-t", "1", "-U", "0"]
    if os.getuid() == 0:
        args += ["-u", "root"]
    if addr.startswith("/"):
        args += ["-s", addr]
    else:
        host, port = addr.rsplit(":", 1)
        args += ["-p", port]
        # A name may mean both addresses, and each client chooses one of them.
        for listen in ["127.0.0.1", "::1"] if host == "localhost" else [host.strip("[]")]:
            args += ["-l", listen]
    process = subprocess.Popen(args)
    for _ in range(100):
        if process.poll() is not None:
            break
        try:
            connect(addr).close()
            return process
        except OSError:
            time.sleep(0.05)
    process.kill()
    sys.exit("memcached does not start on " + addr)


def held(addr, keys):
    """Returns the indexes of the keys that the server at addr has, and deletes all its items."""
    with connect(addr) as conn, conn.makefile("rwb") as f:
        found = []
        for i, key in enumerate(keys):
            f.write(b"get " + key + b"\r\n")
            f.flush()
            line = f.readline()
            if line.startswith(b"VALUE "):
                f.readline()
                line = f.readline()
                found.append(i)
            assert line == b"END\r\n", line
        f.write(b"flush_all\r\n")
        f.flush()
        assert f.readline() == b"OK\r\n"
    return found


def place(rule, list_, keys):
    """Returns the client, and for each key a digit or letter: its server, or - if it has none."""
    job = {"rule": rule, "servers": list_, "keys": keys, "eject": any(s["addr"] in UNUSED for s in list_)}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(job, f)
        f.flush()
        # A new process for each list, so that no dead server is remembered.
        out = subprocess.run([sys.executable, os.path.join(HERE, "place.py"), f.name], stdout=subprocess.PIPE, check=True)
    result = json.loads(out.stdout)
    raw = [urllib.parse.unquote_to_bytes(key) for key in keys]
    at = ["-"] * len(keys)
    for n, server in enumerate(list_):
        if server["addr"] not in UNUSED:
            for i in held(server["addr"], raw):
                assert at[i] == "-", "two servers have %r" % keys[i]
                at[i] = DIGITS[n]
    assert [i for i, digit in enumerate(at) if digit == "-"] == result["refused"], "keys are missing"
    return result["client"], "".join(at)


def main():
    keys = [urllib.parse.quote(key, safe="") for key in make_keys()]
    processes = []
    try:
        for addr in sorted({s["addr"] for _, list_ in JOBS for s in list_} - set(UNUSED)):
            processes.append(start(addr))
        rows = []
        for rule, list_ in JOBS:
            client, at = place(rule, list_, keys)
            dead = [n for n, s in enumerate(list_) if s["addr"] in UNUSED]
            rows.append({"rule": rule, "client": client, "servers": list_, "dead": dead, "at": at})
            print(rule, [(s["addr"], s["weight"]) for s in list_], {c: at.count(c) for c in "-" + DIGITS if c in at})
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
        for path in SOCKETS:
            if os.path.exists(path):
                os.remove(path)
    with open(os.path.join(HERE, "selection.json"), "w") as f:
        f.write('{"keys": [\n' + ",\n".join(json.dumps(key) for key in keys) + "\n],\n")
        f.write('"rows": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]}\n")


if __name__ == "__main__":
    main()
