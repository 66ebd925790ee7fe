"""What Redis holds for the ledger, key by key: as its model expects it, and as the server has it.

Both give the same dict, so that one comparison finds every difference: a key that leaked or is missing, an index that
disagrees with a record, an event behind the last one.
"""

import json
from collections import Counter, defaultdict
from typing import Any

import redis

from .ledger_job import FINAL, ModelJob
from .ledger_model import LedgerModel
from .ledger_registry import RegistryModel

Held = dict[str, object]


def expected(model: LedgerModel) -> Held:
    """Every key that there must be, with what the tests know of its value."""
    held: Held = {
        "stoker:leases": {job.id for job in model.in_state("RUNNING")},
        "stoker:last-events": {job.id for job in model.in_state("RUNNING")},
        "stoker:due": {job.id for job in model.jobs.values() if job.due},
        "stoker:paused": {job.id for job in model.jobs.values() if "paused" in job.fields},
        "stoker:finished": {job.id for job in model.in_state(*FINAL)},
        "stoker:heard": dict(model.heard),
        "stoker:discarded": set(model.discarded),
        "stoker:ended": set(model.ended),
        "stoker:untold": set(model.untold),
        "stoker:mirrored": model.mirrored,
        "stoker:leader": model.leader,
        "stoker:sequence": model.sequence,
        "stoker:rings": model.rings,
        "stoker:models": set(model.registry.versions),
        "stoker:alarms": list(model.registry.alarms),
        "stoker:tallies": dict(model.tallies | _removals(model)),
        "stoker:kinds": set(model.kinds),
        # A mean is of the newest 50.
        "stoker:service": {name: n if name.startswith("started") else min(n, 50) for name, n in model.service.items()},
        "stoker:seats": {job.id: f"{job.line}:{job.tenant}" for job in model.jobs.values() if job.has_seat},
        "stoker:load": dict(model.sharing.load()),
        "stoker:running": dict(model.sharing.running()),
        "stoker:queued": dict(model.sharing.queued()),
        "stoker:pauses": set(model.sharing.paused),
        "stoker:quotas": bool(model.sharing.quotas),
    }
    held |= {f"stoker:examples:{name}": count for name, count in model.examples.items()}
    held |= {f"stoker:after:{job_id}": set(ids) for job_id, ids in model.after.items()}
    held |= {f"stoker:idempotency:{key}": job_id for key, (job_id, _) in model.keys.items()}
    held |= _registry(model.registry)
    held |= model.lists
    held |= _indexes(model)
    # Redis has no empty collections and no zero that was never counted.
    return {name: value for name, value in held.items() if value}


def _removals(model: LedgerModel) -> Counter[str]:
    return Counter({"removed versions asked": model.registry.removed_ever} if model.registry.removed_ever else {})


def _registry(registry: RegistryModel) -> Held:
    held: Held = {f"stoker:aliases:{name}": dict(aliases) for name, aliases in registry.aliases.items()}
    held |= {f"stoker:notes:{name}": dict(notes) for name, notes in registry.notes.items()}
    held |= {f"stoker:moves:{name}": list(changes) for name, changes in registry.changes.items()}
    for name, versions in registry.versions.items():
        held[f"stoker:model:{name}"] = {*versions, *(f"{gone} is removed" for gone in registry.removed.get(name, ()))}
    return held


def _indexes(model: LedgerModel) -> Held:
    ids: defaultdict[str, dict[str, float]] = defaultdict(dict)
    sets: defaultdict[str, set[str]] = defaultdict(set)
    held: Held = {}
    for job in model.jobs.values():
        held |= _of_job(job)
        device = job.queue.partition(".")[0]
        ids[f"stoker:jobs:{job.spec.kind}:{job.state}:{device}"][job.id] = job.sequence
        if job.state == "QUEUED" and device == "gpu":
            sets[f"stoker:fallback:{job.queue}"].add(job.id)
        if job.number is not None:
            ids[f"stoker:rung:{job.line}"][job.id] = job.number + job.step / 16
        if job.waits:
            ids[f"stoker:held:{job.line}:{job.tenant}"][job.id] = job.sequence
            sets[f"stoker:tenants:{job.line}"].add(job.tenant)
    return held | ids | sets


def _of_job(job: ModelJob) -> Held:
    record = {
        "state": job.state,
        "attempt": job.attempt,
        "losses": job.losses,
        "blockers": job.blockers,
        "owner": job.owner,
        "committed_by": job.committed_by,
        "told": job.events_sent,
        "checkpoints": list(job.checkpoints),
        "fields": set(job.fields),
    }
    return {
        f"stoker:job:{job.id}": record,
        f"stoker:events:{job.id}": list(job.events),
        f"stoker:history:{job.id}": list(job.history),
        f"celery-task-meta-{job.id}": job.meta,
    }


def actual(client: redis.Redis) -> Held:
    """Every key that there is, in the same terms; `client` decodes responses."""
    names = list(client.scan_iter(count=1000))
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.type(name)
        kinds = pipe.execute()
        for name, kind in zip(names, kinds, strict=True):
            _ask(pipe, name, kind)
        answers = dict(zip(names, pipe.execute(), strict=True))
    for job_id, until in answers.get("stoker:leases", []):
        assert answers[f"stoker:job:{job_id}"]["lease_until"] == f"{until:.0f}", "a lease and its record disagree"
    # How long attempts ran is not the model's to say.
    return {name: _told(name, answer) for name, answer in answers.items() if not name.startswith("stoker:usage:")}


def _ask(pipe: Any, name: str, kind: str) -> None:
    match kind:
        case "string":
            pipe.get(name)
        case "hash":
            pipe.hgetall(name)
        case "set":
            pipe.smembers(name)
        case "list":
            pipe.lrange(name, 0, -1)
        case "zset":
            pipe.zrange(name, 0, -1, withscores=True)
        case "stream":
            pipe.xrange(name)
        case _:
            raise AssertionError(f"{name} is a {kind}")


def _told(name: str, answer: Any) -> object:
    """A key's value in the terms of `expected`."""
    match name.removeprefix("stoker:").split(":")[0]:
        case "job":
            return _record(answer)
        case "events":
            return [_event(json.loads(fields["event"])) for _, fields in answer]
        case "alarms":
            raised = [json.loads(fields["alarm"]) for _, fields in answer]
            return [f"{alarm['what']} {alarm['model']}" for alarm in raised]
        case "history":
            return [(past["attempt"], past["how"]) for past in map(json.loads, answer)]
        case "jobs" | "rung" | "held":
            return dict(answer)
        case "leases" | "last-events" | "fallback" | "due" | "paused" | "finished" | "tenants":
            return {job_id for job_id, _ in answer}
        case "heard" | "aliases" | "load" | "running" | "queued":
            return {field: int(number) for field, number in answer.items()}
        case "examples":
            return len(answer)
        case "service":
            return {field: int(told.split(" ")[-1]) for field, told in answer.items()}
        case "tallies":
            return _tallies(answer)
        case "model":
            return {
                f"{number} is removed" if raw.startswith('{"removed_at"') else int(number)
                for number, raw in answer.items()
            }
        case "moves":
            return [_change(json.loads(change)) for change in answer]
        case "idempotency":
            return answer.split()[0]
        case "discarded" | "pauses":
            return set(answer)
        case "sequence" | "rings":
            return int(answer)
        case "mirrored":
            return answer == "1"
        case "quotas":
            return True
        case "notes":
            return {int(number): text for number, text in answer.items()}
        case "leader" | "ended" | "models" | "untold" | "after" | "seats" | "kinds":
            return answer
    if name.startswith("celery-task-meta-"):
        return json.loads(answer)["status"]
    return [json.loads(message)["headers"]["id"] for message in answer]


def _change(change: dict[str, Any]) -> tuple[str, object]:
    """What a change of a model was, and its new value."""
    if "alias" in change:
        return change["alias"], change.get("to")
    [what] = {"removed", "noted", "ended", "renamed"} & change.keys()
    return what, None if what == "ended" else change[what]


def _record(fields: dict[str, str]) -> Held:
    return {
        "state": fields["state"],
        "attempt": int(fields["attempt"]),
        "losses": int(fields["losses"]),
        "blockers": int(fields["blockers"]),
        "owner": fields.get("owner"),
        "committed_by": fields.get("committed_by"),
        "told": int(fields.get("told", 0)),
        "checkpoints": [artifact["digest"] for artifact in json.loads(fields.get("checkpoints", "[]"))],
        "fields": set(fields),
    }


def _tallies(fields: dict[str, str]) -> dict[str, int]:
    """Counters, and of each histogram how many values it has."""
    counts: Counter[str] = Counter()
    for name, count in fields.items():
        what, _, bound = name.rpartition(" ")
        if name.startswith(("finished ", "removed ")):
            counts[name] = int(count)
        elif bound != "sum":
            counts[what] += int(count)
    return dict(counts)


def _event(event: dict[str, Any]) -> str:
    return f"finished {event['state']}" if event["type"] == "finished" else str(event["type"])
