"""Every Redis key of the lanes. A lane is named by a model reference as callers give it.

| key | type | holds | ends |
| --- | --- | --- | --- |
| stoker:lane:<ref>:<priority> | list | requests, the oldest first | when it is drained |
| stoker:lanes | set | lanes that may hold requests or are drained | entries go when found without both |
| stoker:lane-queue:<ref> | string | the Celery queue that its doorbells go to | with the entry in stoker:lanes |
| stoker:bells:<ref> | sorted set | doorbells sent, by when they may be lost, ms | with the entry in stoker:lanes |
| stoker:drainers:<ref> | sorted set | who drains the lane, by the end of their lease, ms | entries go when they leave |
| stoker:drainers | sorted set | "<drainer> <ref>" of all lanes, by the end of the lease, ms | as above |
| stoker:taken:<drainer>:<priority> | list | requests that it has taken | when answered |
| stoker:turn:<drainer> | string | number of its last take, and the last deadline in it, ms | a minute after it |
| stoker:idle:<ref> | list | drainers that wait for a request | entries go when woken |
| stoker:wake:<watch> | list | the drainers to wake in one process | a minute after the last |
| stoker:making-way:<list> | integer | how many slots have just made way for messages | 0.3 s after the first |
| stoker:load-failures | hash | JSON of versions that could not be loaded, by reference | an hour after the last |
| stoker:asked:<user>:<model> | string | how often a Redis user has asked: push.lua | 11 minutes later |
| stoker:answers:<client> | list | answers for one client, many in each entry | ten seconds after the last deadline |
"""

PREFIX = {
    "lane": "stoker:lane:",
    "lanes": "stoker:lanes",
    "lane_queue": "stoker:lane-queue:",
    "bells": "stoker:bells:",
    "lane_drainers": "stoker:drainers:",
    "drainers": "stoker:drainers",
    "taken": "stoker:taken:",
    "turn": "stoker:turn:",
    "idle": "stoker:idle:",
    "wake": "stoker:wake:",
    "making_way": "stoker:making-way:",
    "load_failures": "stoker:load-failures",
    "asked": "stoker:asked:",
    "answers": "stoker:answers:",
}


def key(name: str, *parts: str) -> str:
    """The key of one thing, e.g. key("wake", drainer)."""
    return PREFIX[name] + ":".join(parts)
