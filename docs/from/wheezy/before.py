from wheezy.caching import CacheDependency
from wheezy.caching.patterns import Cached, key_builder
from wheezy.caching.pylibmc import MemcachedClient, client_factory
from wheezy.core.pooling import EagerPool

pool = EagerPool(lambda: client_factory(["127.0.0.1:11211"]), size=10)
cache = MemcachedClient(pool)
cached = Cached(cache, time=60)


def list_items(locale):
    print("load", locale)
    return "apple, pear"


make_key = key_builder("repo")(list_items)


def items(locale):
    return cached.get_or_create(
        make_key(locale), lambda: list_items(locale), lambda: "mk:items:")


print(items("en"))
print(items("en"))
CacheDependency(cache, time=60).delete("mk:items:")
print(items("en"))
