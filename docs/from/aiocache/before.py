import asyncio

from aiocache import Cache, cached_stampede
from aiocache.serializers import JsonSerializer


@cached_stampede(
    lease=10, ttl=60, key_builder=lambda f, id: f"user:{id}",
    cache=Cache.REDIS, namespace="main", serializer=JsonSerializer())
async def user(id):
    print("load user", id)
    return {"name": "Ann"}


async def main():
    for _ in range(2):
        u = await user(7)
        print(u["name"])
    cache = Cache(Cache.REDIS, namespace="main")
    for _ in range(2):
        print("views:", await cache.increment("views"))
    await cache.close()


asyncio.run(main())
