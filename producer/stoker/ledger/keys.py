"""Every Redis key of the ledger and the registry, each with its one builder. The Lua scripts read the same table.

| key | type | holds | ends |
| --- | --- | --- | --- |
| stoker:job:<id> | hash | one job's record | with the job's retention |
| stoker:events:<id> | stream | its events, the newest 10,000 | with the record |
| stoker:history:<id> | list | its ended attempts: worker, times, reason, last log lines | with the record |
| stoker:interrupts:<client> | stream | what ends a client's wait for events, the newest | a minute after the last |
| stoker:after:<id> | set | ids of the jobs that wait for it | when it ends |
| celery-task-meta-<id> | string | its result as Celery has it | with the record; a prediction's after an hour |
| stoker:mirrored | string | set where results also go to a Redis of their own | a day after the last copier |
| stoker:untold | set | ids whose newest state is not yet told there | entries go when it is |
| stoker:jobs:<kind>:<state>:<device> | sorted set | ids by order of submission | entries go with the records |
| stoker:leases | sorted set | ids of running jobs by the end of their lease, ms | entries go when it stops running |
| stoker:last-events | sorted set | ids of running jobs by when they last told something, ms | as those of leases |
| stoker:due | sorted set | ids of jobs that wait for a time, by that time, ms | entries go when it has come |
| stoker:paused | sorted set | ids of paused jobs by since when, ms | entries go when resumed, or ended |
| stoker:pauses | hash | by "queue <name>" and "tenant <name>", since when paused, ms | fields go when resumed |
| stoker:followed | set | ids of jobs that wait and that a controller goes on with | entries go when the job ends |
| stoker:roles | hash | by role, the Redis users who have it | never: as the settings have it |
| stoker:approvals:<role> | hash | by id of a job, what was said to it, until it is heard | 60 days after the last |
| stoker:fallback:<queue> | sorted set | ids there that a CPU may take, by since when, ms | entries go when taken |
| stoker:finished | sorted set | ids of jobs that have ended, by when, ms | entries go with the records |
| stoker:gang:<owner> | sorted set | a gang's members' addresses by the end of their lease, ms | ten leases later |
| stoker:gang-outage:<owner> | hash | what a member of a gang met that is away: of, reason | 10 minutes later |
| stoker:gang-rung:<owner> | string | set when a gang's missing members were rung for | 10 seconds later |
| stoker:gathering:<queue> | string | the owner whose gang gathers on a queue | with its lease |
| stoker:children:<id> | hash | what a job asked for: id to its end or '' | when it ends; DEAD: with the record |
| stoker:reached:<id> | hash | children at rungs: "<epoch>:<number>" to value and place | as stoker:children:<id> |
| stoker:discarded | hash | checkpoints that no job lists any more, by "<id>/<digest>" | entries go when the files do |
| stoker:ended | set | ids of ended jobs that may have files in a part of the store | entries go when the files do |
| stoker:sequence | integer | how many jobs were ever submitted | never: one number |
| stoker:rings | integer | how many messages were ever sent for jobs | never: one number |
| stoker:held:<queue>:<priority>:<tenant> | sorted set | ids of queued jobs without a message | until they get one |
| stoker:tenants:<queue>:<priority> | sorted set | tenants with such jobs, by whose turn it is | entries go with these |
| stoker:rung:<queue>:<priority> | sorted set | queued jobs by their message: turns.lua | entries go when claimed |
| stoker:windows | hash | how many of these there may be, by queue | fields go with the queue's last worker |
| stoker:seats | hash | by id, queue, priority and tenant of jobs that have a message or run | entries go when it ends |
| stoker:load | hash | how many of these there are, by queue, priority and tenant | fields go at 0 |
| stoker:running | hash | how many jobs run, by tenant | fields go at 0 |
| stoker:queued | hash | how many jobs are WAITING or QUEUED, by tenant | fields go at 0 |
| stoker:quotas | hash | quotas and weights of tenants; after how long jobs rise | never: as the settings have it |
| stoker:heard | hash | by list, the highest number of a message whose job was claimed | never: one field a list |
| stoker:leader | string | the controller that leads | with its lease, seconds |
| stoker:duties | hash | by duty of the leading controller, how its runs went: duty_runs.py | never: one field a duty |
| stoker:leftovers | string | which files of the store were last found that nothing names | never: one finding |
| stoker:unnamed | sorted set | paths of such files, up to 10,000, by when each was first found, ms | with the file |
| stoker:backup | string | the backup that goes on: nothing is removed from the store | 10 minutes after it said so |
| stoker:uploads | hash | what apps have uploaded: reference to record | entries go when their time is over |
| stoker:uploads-until | sorted set | these references by the end of their time, ms | as those of stoker:uploads |
| stoker:intake:<id> | hash | a long list of jobs, in chunks by number | when all is taken in, or 10 minutes later |
| stoker:intakes | set | ids of the lists that are accepted | entries go when all is taken in |
| stoker:idempotency:<key> | string | the id and the spec's digest behind a key | with the record |
| stoker:singleton:<key> | string | the newest job with a key, of which one is open at a time | with the record |
| stoker:identical:<digest> | string | of jobs that are identical, the newest that has succeeded | with the record |
| stoker:schedules | hash | when jobs are submitted by themselves, and which: name to schedule | fields go by hand |
| stoker:schedule-states | hash | what has come of each so far | as those of stoker:schedules |
| stoker:quarantine | list | the newest 1,000 messages that were no jobs, cut to 1 kB | never: bounded |
| stoker:quarantined | hash | how many there were, by reason | never: one field a reason |
| stoker:unserved:<queue> <word> … | sorted set | ids of jobs that wait for a worker with all that | until one comes |
| stoker:needs | set | what such jobs need, as those keys have it | entries go with them |
| stoker:posted | hash | by id of a job, the worker whose mailbox its message is in | fields go when it is claimed |
| stoker:kinds | set | kinds of jobs that were ever submitted | never: bounded by kinds |
| stoker:repairs | list | the newest 1,000 damages found: where, what, when | never: bounded |
| stoker:damaged | string | set when damage was found, until everything was looked at | with the next look |
| stoker:tallies | hash | what was counted so far: see counters.py | never: bounded by kinds, states and queues |
| stoker:models | set | names of all models | with their last version |
| stoker:model:<name> | hash | versions: number to manifest, or to why it was removed | with the last version |
| stoker:aliases:<name> | hash | a model's aliases: alias to number | with the model |
| stoker:notes:<name> | hash | what people noted of versions: number to text | with the version |
| stoker:routes | hash | by "<name> <alias>", how that shares its requests with another version | when its job ends |
| stoker:evidence:<id> | hash | what was counted of a job's route: ledger/routes.py | with the record |
| stoker:moves:<name> | list | how aliases moved, and what else changed, the newest 1,000 | 90 days after the model |
| stoker:alarms | stream | what happened to models, and alarms of them: alarms.py, the newest 10,000 | never: bounded |
| stoker-webhooks | hash | webhooks with their secrets, JSON: no user reads it but the controller | fields go by hand |
| stoker:hooked | string | set where there are webhooks, for scripts to tell them | with the last webhook |
| stoker:webhook-events | stream | what happened, until it is a delivery to each webhook | entries go within a second |
| stoker:webhook-deliveries:<webhook> | hash | its deliveries, by id, JSON | with the sets that name them |
| stoker:webhook-due:<webhook> | sorted set | those that wait, by the next try, ms, or its lease | when they end |
| stoker:webhook-delivered:<webhook> | sorted set | the newest 1,000 delivered, by when, ms | 3 days later |
| stoker:webhook-dead:<webhook> | sorted set | the newest 100,000 given up, by when, ms | 30 days later |
| stoker:webhook-counts:<webhook> | hash | how its deliveries went: webhooks/calls.py | with the webhook |
| stoker:audit:<user> | stream | what a Redis user did, until sealed: security/audit | never: sealing empties it |
| stoker:audits | set | the Redis users who have such a stream | never: bounded by users |
| stoker:auditing | string | set where what is done is noted: the setting audit | never: one flag |
| stoker:audit-heads | hash | by tenant and by user, up to what is sealed: see audit_seal.lua | never: one field each |
| stoker:rates:<key>:<seconds>:<window> | hash | by gateway, its requests of an API key in a window | a window later |
| stoker:guards | hash | by model, its guard, JSON: models/guard.py | fields go by hand, or with the model |
| stoker:guarded:<model> | hash | how much its guard has refused | 30 days after the last, or with the guard |
| stoker:guard-rows:<model> | list | the newest 1,000 rows of that | as stoker:guarded:<model> |
| stoker:sampling | hash | by model, what a Monitor samples of it, JSON: sampling.py | fields go with its job |
| stoker:sampled:<model> | hash | by "<version> <what>", how much of that there is | with the job |
| stoker:samples:<version> | list | batches of what was sampled, four windows at most | with the job, or 30 days later |
| stoker:samples-taken:<id> | list | those of the window that a Monitor tests | with the next window, or the job |
| stoker:answered:<model> | hash | by a sampled request's id, what was answered when, and its label | with the job |
| stoker:answered-at:<model> | sorted set | these ids by when it was answered, ms | as those of stoker:answered |
| stoker:outcomes:<version> | list | what the newest 2,000 labels said of its answers | with the job, or 30 days later |
| stoker:workers | hash | what each worker last said of itself | entries go with the worker |
| stoker:workers:seen | sorted set | workers by the time they last said so, ms | entries go with the worker |
| stoker:wanted | hash | by worker, how many slots it was last asked for | fields go with the worker |
| stoker:service | hash | by device and kind: mean run time, ms; how many started | never: bounded by kinds |
| stoker:examples:<device>:<kind> | list | what such jobs took, the newest 256 | never: bounded by kinds |
| stoker:usage:<day> | hash | what was used on a day of UTC, counted from 1970: see usage.py | 400 days later |
| stoker:fleet:<device> | hash | bounds of a fleet that were set by hand | when they are taken back |
| stoker:decisions:<device> | list | what the autoscaler decided, and why, the newest 100 | never: bounded |
"""

from ..fleet.topology import KOMBU_SEPARATOR, PRIORITIES, queues
from ..kinds import KINDS

# How many jobs of a queue and priority have a message at once, as long as no slots are known.
WINDOW = 16
AGEING_S = 600.0
# A worker that has not announced itself for so long does not count.
SILENT_AFTER_S = 15.0

PREFIX = {
    "job": "stoker:job:",
    "events": "stoker:events:",
    "history": "stoker:history:",
    "interrupts": "stoker:interrupts:",
    "after": "stoker:after:",
    "meta": "celery-task-meta-",
    "mirrored": "stoker:mirrored",
    "untold": "stoker:untold",
    "jobs": "stoker:jobs:",
    "leases": "stoker:leases",
    "last_events": "stoker:last-events",
    "due": "stoker:due",
    "paused": "stoker:paused",
    "pauses": "stoker:pauses",
    "followed": "stoker:followed",
    "roles": "stoker:roles",
    "approvals": "stoker:approvals:",
    "fallback": "stoker:fallback:",
    "finished": "stoker:finished",
    "gang": "stoker:gang:",
    "gang_outage": "stoker:gang-outage:",
    "gang_rung": "stoker:gang-rung:",
    "gathering": "stoker:gathering:",
    "children": "stoker:children:",
    "reached": "stoker:reached:",
    "discarded": "stoker:discarded",
    "ended": "stoker:ended",
    "sequence": "stoker:sequence",
    "rings": "stoker:rings",
    "held": "stoker:held:",
    "tenants": "stoker:tenants:",
    "rung": "stoker:rung:",
    "windows": "stoker:windows",
    "seats": "stoker:seats",
    "load": "stoker:load",
    "running": "stoker:running",
    "queued": "stoker:queued",
    "quotas": "stoker:quotas",
    "heard": "stoker:heard",
    "leader": "stoker:leader",
    "duties": "stoker:duties",
    "leftovers": "stoker:leftovers",
    "unnamed": "stoker:unnamed",
    "backup": "stoker:backup",
    "uploads": "stoker:uploads",
    "uploads_until": "stoker:uploads-until",
    "intake": "stoker:intake:",
    "intakes": "stoker:intakes",
    "idempotency": "stoker:idempotency:",
    "singleton": "stoker:singleton:",
    "identical": "stoker:identical:",
    "schedules": "stoker:schedules",
    "schedule_states": "stoker:schedule-states",
    "quarantine": "stoker:quarantine",
    "quarantined": "stoker:quarantined",
    "unserved": "stoker:unserved:",
    "needs": "stoker:needs",
    "posted": "stoker:posted",
    "kinds": "stoker:kinds",
    "repairs": "stoker:repairs",
    "damaged": "stoker:damaged",
    "tallies": "stoker:tallies",
    "models": "stoker:models",
    "model": "stoker:model:",
    "aliases": "stoker:aliases:",
    "notes": "stoker:notes:",
    "routes": "stoker:routes",
    "evidence": "stoker:evidence:",
    "moves": "stoker:moves:",
    "alarms": "stoker:alarms",
    "webhooks": "stoker-webhooks",
    "hooked": "stoker:hooked",
    "webhook_events": "stoker:webhook-events",
    "webhook_deliveries": "stoker:webhook-deliveries:",
    "webhook_due": "stoker:webhook-due:",
    "webhook_delivered": "stoker:webhook-delivered:",
    "webhook_dead": "stoker:webhook-dead:",
    "webhook_counts": "stoker:webhook-counts:",
    "audit": "stoker:audit:",
    "rates": "stoker:rates:",
    "guards": "stoker:guards",
    "guarded": "stoker:guarded:",
    "guard_rows": "stoker:guard-rows:",
    "audits": "stoker:audits",
    "auditing": "stoker:auditing",
    "audit_heads": "stoker:audit-heads",
    "sampling": "stoker:sampling",
    "sampled": "stoker:sampled:",
    "samples": "stoker:samples:",
    "taken_samples": "stoker:samples-taken:",
    "answered": "stoker:answered:",
    "answered_at": "stoker:answered-at:",
    "outcomes": "stoker:outcomes:",
    "workers": "stoker:workers",
    "seen": "stoker:workers:seen",
    "wanted": "stoker:wanted",
    "service": "stoker:service",
    "examples": "stoker:examples:",
    "usage": "stoker:usage:",
    "fleet": "stoker:fleet:",
    "decisions": "stoker:decisions:",
}

# The Redis types of the keys that all jobs share.
TYPES = {
    **dict.fromkeys(("leases", "last_events", "due", "paused", "finished", "seen", "unnamed", "uploads_until"), "zset"),
    **dict.fromkeys(("untold", "ended", "intakes", "models", "needs", "kinds", "followed", "audits"), "set"),
    **dict.fromkeys(("quarantine", "repairs"), "list"),
    **dict.fromkeys(("alarms", "webhook_events"), "stream"),
    **dict.fromkeys(
        ("mirrored", "sequence", "rings", "leader", "leftovers", "damaged", "auditing", "hooked", "backup"), "string"
    ),
    **dict.fromkeys(("schedules", "schedule_states", "roles", "audit_heads", "guards", "webhooks"), "hash"),
    **dict.fromkeys(("discarded", "windows", "seats", "load", "running", "queued", "quotas", "heard"), "hash"),
    **dict.fromkeys(
        (
            "sampling",
            "quarantined",
            "tallies",
            "workers",
            "wanted",
            "service",
            "duties",
            "posted",
            "pauses",
            "uploads",
            "routes",
        ),
        "hash",
    ),
}


def key(name: str, *parts: str) -> str:
    """The key of one thing, e.g. key("job", id)."""
    return PREFIX[name] + ":".join(parts)


def lua_tables() -> str:
    """The same table, the kinds of jobs and the topology of kombu's lists for the scripts, as Lua statements."""
    fields = ", ".join(f"{name} = '{prefix}'" for name, prefix in PREFIX.items())
    steps = ", ".join(f"{priority} = {step}" for priority, step in PRIORITIES.items())
    kinds = ", ".join(f"{kind} = true" for kind in KINDS)
    separator = "".join(f"\\{ord(character)}" for character in KOMBU_SEPARATOR)
    names = ", ".join(f"'{queue}'" for queue in queues())
    served = ", ".join(f"['{queue}'] = true" for queue in queues())
    types = ", ".join(f"{name} = '{kind}'" for name, kind in TYPES.items())
    return (
        f"local TYPE = {{ {types} }}\n"
        f"local KEY = {{ {fields} }}\nlocal STEP = {{ {steps} }}\nlocal KIND = {{ {kinds} }}\n"
        f"local SEPARATOR = '{separator}'\nlocal QUEUES = {{ {names} }}\nlocal QUEUE = {{ {served} }}\n"
        f"local WINDOW, DEFAULT_AGEING_MS = {WINDOW}, {AGEING_S * 1000:.0f}\n"
        f"local SILENT_MS = {SILENT_AFTER_S * 1000:.0f}\n"
    )
