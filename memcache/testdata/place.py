"""Sets keys with a Python client. The caller can then see which server got each key.

	python3 place.py job.json

job.json is an object:

	rule     ketama, ketama_weighted, python_memcached or modula
	servers  list of {"addr": ..., "weight": ...}, as memcache.Server, with port
	keys     list of keys, percent-encoded
	eject    if true, pylibmc ejects servers that do not respond

It writes another object: client (name and version) and refused (indexes of the keys
that the client stored nowhere). The clients have the rules: this script
computes nothing except the crc32 of modula.
"""

import json
import sys
import urllib.parse
import zlib

VALUE = "1"


def pylibmc_setter(job):
    import pylibmc

    behaviors = {job["rule"]: True}
    if job.get("eject"):
        behaviors.update(auto_eject=1, failure_limit=1, retry_timeout=3600, dead_timeout=3600)
    specs = []
    for server in job["servers"]:
        if server["addr"].startswith("/"):
            assert server["weight"] == 1, "pylibmc takes no weight for a socket"
            specs.append(server["addr"])
        else:
            specs.append("%s:%d" % (server["addr"], server["weight"]))
    client = pylibmc.Client(specs, behaviors=behaviors)

    def set_key(key):
        # When libmemcached ejects a server, it returns an error for the key that it was setting.
        for _ in range(20 if job.get("eject") else 1):
            try:
                return client.set(key, VALUE)
            except pylibmc.Error as error:
                last = error
        raise last

    lib = _libmemcached_version()
    return set_key, "pylibmc %s, libmemcached %s" % (pylibmc.__version__, lib)


def _libmemcached_version():
    """Returns the version of the library: pylibmc only has the version of its header."""
    import ctypes

    try:
        version = ctypes.CDLL("libmemcached.so.11").memcached_lib_version
    except OSError:
        return "unknown"
    version.restype = ctypes.c_char_p
    return version().decode()


def memcache_setter(job):
    import memcache

    specs = []
    for server in job["servers"]:
        addr = server["addr"]
        if addr.startswith("/"):
            addr = "unix:" + addr
        elif addr.startswith("["):
            addr = "inet6:" + addr
        specs.append((addr, server["weight"]))
    client = memcache.Client(specs, dead_retry=3600)

    def set_key(key):
        # The first element of a tuple is the hash, which the client takes modulo the servers.
        return client.set((zlib.crc32(key), key) if job["rule"] == "modula" else key, VALUE)

    return set_key, "python-memcached %s" % memcache.__version__


SETTERS = {
    "ketama": pylibmc_setter,
    "ketama_weighted": pylibmc_setter,
    "python_memcached": memcache_setter,
    "modula": memcache_setter,
}


def place(job):
    set_key, client = SETTERS[job["rule"]](job)
    keys = [urllib.parse.unquote_to_bytes(key) for key in job["keys"]]
    refused = [i for i, key in enumerate(keys) if not set_key(key)]
    return {"client": client, "refused": refused}


if __name__ == "__main__":
    with open(sys.argv[1]) as f:
        json.dump(place(json.load(f)), sys.stdout)
