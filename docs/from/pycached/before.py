from pycached import caches

caches.set_config({
    "default": {
        "cache": "pycached.SimpleMemoryCache",
        "serializer": {"class": "pycached.serializers.StringSerializer"},
    },
    "shared": {
        "cache": "pycached.RedisCache",
        "endpoint": "127.0.0.1",
        "port": 6379,
        "namespace": "main",
        "timeout": 1,
        "serializer": {"class": "pycached.serializers.JsonSerializer"},
        "plugins": [{"class": "pycached.plugins.HitMissRatioPlugin"}],
    },
})

local = caches.get("default")
local.set("key", "value")
print(local.get("key"))

shared = caches.get("shared")
shared.set("user:7", {"name": "Ann"}, ttl=60)
print(shared.get("user:7")["name"])
if shared.get("user:8") is None:
    print("absent")
print(shared.increment("views"), "view")
ratio = shared.hit_miss_ratio
print("hits:", ratio["hits"], "of", ratio["total"])
