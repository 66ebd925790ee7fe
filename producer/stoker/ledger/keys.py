"""Every Redis key of the ledger and the registry, each with its one builder. The Lua scripts read the same table.

| key | type | holds | ends |
| --- | --- | --- | --- |
| stoker:job:<id> | hash | one job's record | with the job's retention |
| stoker:events:<id> | stream | its events, the newest 10,000 | with the record |
| celery-task-meta-<id> | string | its state and result as Celery's Redis backend writes them | with the record |
| stoker:mirrored | string | set where results also go to a Redis of their own | never: one flag |
| stoker:untold | set | ids whose newest state is not yet told there | entries go when it is |
| stoker:jobs:<kind>:<state> | sorted set | ids by order of submission | entries go with the records |
| stoker:leases | sorted set | ids of running jobs by the end of their lease, ms | entries go when it stops running |
| stoker:sequence | integer | how many jobs were ever submitted | never: one number |
| stoker:idempotency:<key> | string | the id and the spec's digest behind a key | 24 hours after the submit |
| stoker:models | set | names of all models | with their last version |
| stoker:model:<name> | hash | a model's versions: number to manifest | never: models are kept |
| stoker:aliases:<name> | hash | a model's aliases: alias to number | with the model |
| stoker:workers | hash | what each worker last said of itself | entries go with the worker |
| stoker:workers:seen | sorted set | workers by the time they last said so, ms | entries go with the worker |
| stoker:request:<id> | string | an inference request's input tensors | with the request's deadline |
| stoker:reply:<id> | list | its answer | 60 s after it was given |
"""

PREFIX = {
    "job": "stoker:job:",
    "events": "stoker:events:",
    "meta": "celery-task-meta-",
    "mirrored": "stoker:mirrored",
    "untold": "stoker:untold",
    "jobs": "stoker:jobs:",
    "leases": "stoker:leases",
    "sequence": "stoker:sequence",
    "idempotency": "stoker:idempotency:",
    "models": "stoker:models",
    "model": "stoker:model:",
    "aliases": "stoker:aliases:",
    "workers": "stoker:workers",
    "seen": "stoker:workers:seen",
    "request": "stoker:request:",
    "reply": "stoker:reply:",
}


def key(name: str, *parts: str) -> str:
    """The key of one thing, e.g. key("job", id)."""
    return PREFIX[name] + ":".join(parts)


def lua_table() -> str:
    """The same table for the scripts, as a Lua statement."""
    fields = ", ".join(f"{name} = '{prefix}'" for name, prefix in PREFIX.items())
    return f"local KEY = {{ {fields} }}\n"
