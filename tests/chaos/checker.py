"""Judges a chaos run from what it left behind: Redis, the artifact store, the effects, the processes.

It shares no code with the ledger: it knows the keys and fields from their documentation and reads them itself.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .callers import Said
from .plain import Redis
from .workload import FINAL, Submitted

_STATUS = {"SUCCEEDED": "SUCCESS", "FAILED": "FAILURE", "CANCELLED": "REVOKED", "DEAD": "FAILURE", "PRUNED": "REVOKED"}
_KINDS = ("train", "evaluate", "deploy", "infer")
# What may be left once every job has ended, beside what ends by itself. Leases, what is due, rung for or discarded, and
# quarantine must be gone.
_OF_JOBS = re.compile(r"(?:stoker:(?:job|events|history):|celery-task-meta-)(.+)")
_LASTING = re.compile(
    r"stoker:(jobs:(train|evaluate|deploy|infer):(SUCCEEDED|FAILED|CANCELLED|DEAD|PRUNED):cpu|kinds|finished|sequence|rings|heard|tallies"
    r"|quotas|service|examples:.+|usage:.+|windows|wanted|leader|idempotency:.+|models|(model|aliases|notes|moves):.+|alarms"
    r"|workers|workers:seen|duties|leftovers|repairs)"
    r"|_kombu\.binding.+|unacked|unacked_index|unacked_mutex"
    r"|(cpu|gpu|tpu)\.(train|batch|infer)\x06\x16[369]"
)


@dataclass(frozen=True)
class Evidence:
    """What is judged.

    Attributes:
        submitted: what the app knows, by label.
        effects: one line per execution of a training.
        results: where Celery's results are.
        said: what threads and forked processes of one client got.
        most_unacked: how many messages may lie in Celery's `unacked`.
        most_orphans: how many checkpoint files may be nobody's: those of workers that were killed before they
            heard of their job's end.
    """

    client: Redis
    results: Redis
    store: Path
    effects: Path
    said: Sequence[Said]
    submitted: Mapping[str, Submitted]
    most_unacked: int
    most_orphans: int


@dataclass(frozen=True)
class Ended:
    """One job's record with its events, and what it is called."""

    id: str
    label: str
    record: dict[str, str]
    events: list[dict[str, Any]]

    @property
    def state(self) -> str:
        return self.record["state"]

    @property
    def attempts(self) -> int:
        return int(self.record["attempt"])


def problems(evidence: Evidence) -> Iterator[str]:
    """Everything that breaks a promise, one sentence each; nothing, if all were kept."""
    jobs = _jobs(evidence.client)
    yield from _callers(evidence.said)
    yield from _lost_or_doubled(jobs, evidence.submitted)
    for job in jobs.values():
        yield from (f"{job.label} ({job.id}): {what}" for what in _of_job(job, evidence))
    yield from _models(jobs, evidence)
    yield from _effects(jobs, evidence)
    yield from _stray_keys(jobs, evidence)
    yield from _messages(jobs, evidence)
    orphans = orphaned(evidence)
    if len(orphans) > evidence.most_orphans:
        yield f"{len(orphans)} checkpoint files are nobody's, at most {evidence.most_orphans} may be: {orphans[:3]} …"


def orphaned(evidence: Evidence) -> list[str]:
    """Files of checkpoints, whole or in the making, that no job lists."""
    listed = set()
    for job in _jobs(evidence.client).values():
        listed |= {artifact["digest"] for artifact in json.loads(job.record.get("checkpoints", "[]"))}
    found = evidence.store.glob("**/checkpoint-*")
    return [str(path) for path in found if path.parent.name not in listed]


def _jobs(client: Redis) -> dict[str, Ended]:
    """Every record there is, by the records themselves, not by an index."""
    jobs = {}
    for name in client.names("stoker:job:*"):
        job_id = name.removeprefix("stoker:job:")
        record = client.fields(name)
        events = [event for _, event in client.events(job_id)]
        jobs[job_id] = Ended(job_id, json.loads(record["tags"])["label"], record, events)
    return jobs


def _callers(said: Sequence[Said]) -> Iterator[str]:
    for caller in said:
        if caller.wrong:
            yield f"{caller.label or 'a thread'}: {caller.wrong} of its predictions were not its own"
    labels = {caller.label for caller in said if caller.label}
    for label in sorted(labels - {caller.label for caller in said if caller.job}):
        yield f"{label}: the forked process never submitted its job"
    if said and not any(caller.right for caller in said):
        yield "none of the callers ever got an answer"


def _lost_or_doubled(jobs: Mapping[str, Ended], submitted: Mapping[str, Submitted]) -> Iterator[str]:
    # Children have the tags of their parent, and were submitted by nobody.
    by_label = Counter(job.label for job in jobs.values() if "parent" not in job.record)
    for label, count in by_label.items():
        if label not in submitted:
            yield f"{label}: nobody submitted it"
        elif count > 1:
            yield f"{label}: submitted once, there are {count} jobs"
    for label, known in submitted.items():
        if len(known.ids) > 1:
            yield f"{label}: the same submit was answered with {len(known.ids)} ids"
        for job_id in known.ids:
            if job_id not in jobs:
                yield f"{label}: acknowledged as {job_id}, and lost"


def _of_job(job: Ended, evidence: Evidence) -> Iterator[str]:
    if job.state not in FINAL:
        yield f"has not ended, it is {job.state}"
        return
    known = evidence.submitted.get(job.label) or Submitted(job.label, FINAL)
    # A child may be cancelled because its parent has ended.
    if job.state not in (FINAL if "parent" in job.record else known.ends):
        yield f"ended as {job.state}, not {' or '.join(known.ends)}: {job.record.get('reason')}"
    if not known.torn:
        yield from _story(job, evidence.client)
    yield from _celery(job, evidence.results)
    for name in ("owner", "lease_until"):
        if name in job.record:
            yield f"has ended and still has the field {name}"
    if "checkpoints" in job.record and job.state != "DEAD":
        yield "has ended and still lists checkpoints"
    indexed = [
        f"{kind}:{state}"
        for kind in _KINDS
        for state in ("WAITING", "QUEUED", "RUNNING", *FINAL)
        if job.id in evidence.client.scored(f"stoker:jobs:{kind}:{state}:cpu")
    ]
    if indexed != [f"{job.record['kind']}:{job.state}"]:
        yield f"is indexed under {indexed}"
    if job.id not in evidence.client.scored("stoker:finished"):
        yield "has ended and is not among the finished"


def _story(job: Ended, client: Redis) -> Iterator[str]:
    """Events and history of a job: attempts without gaps, one end, nothing behind it, nothing told twice."""
    types = [event["type"] for event in job.events]
    if types.count("finished") != 1 or types[-1] != "finished":
        yield f"{types.count('finished')} events say that it finished, the last event is {types[-1]}"
    if job.events[-1].get("state") != job.state:
        yield f"its last event says {job.events[-1].get('state')}, its record {job.state}"
    started = [event["attempt"] for event in job.events if event["type"] == "started"]
    if started != list(range(1, job.attempts + 1)):
        yield f"its record counts {job.attempts} attempts, its events tell of {started}"
    ended = [json.loads(past)["attempt"] for past in client.listed(f"stoker:history:{job.id}")]
    if ended != started:
        yield f"attempts {started} were started, {ended} ended"
    told: set[int] = set()
    for event in job.events:
        if event["type"] == "started":
            told = set()
        if event["type"] == "epoch":
            if event["epoch"] in told:
                yield f"epoch {event['epoch']} is told twice within one attempt"
            told.add(event["epoch"])


def _celery(job: Ended, client: Redis) -> Iterator[str]:
    raw = client.text(f"celery-task-meta-{job.id}")
    if raw is None:
        yield "Celery knows no result"
        return
    meta = json.loads(raw)
    if meta["status"] != _STATUS[job.state]:
        yield f"Celery says {meta['status']}, the record {job.state}"
    if job.state == "SUCCEEDED" and meta["result"] != json.loads(job.record["result"]):
        yield "Celery's result is not the record's"


def _models(jobs: Mapping[str, Ended], evidence: Evidence) -> Iterator[str]:
    """One version for each training that succeeded, none for any other; its files whole."""
    made: dict[str, str] = {}
    for name in evidence.client.members("stoker:models"):
        versions = {
            int(number): json.loads(raw) for number, raw in evidence.client.fields(f"stoker:model:{name}").items()
        }
        if sorted(versions) != list(range(1, len(versions) + 1)):
            yield f"model {name} has the versions {sorted(versions)}"
        for number, version in versions.items():
            ref = f"{name}@{number}"
            if version["job"] in made:
                yield f"job {version['job']} made {made[version['job']]} and {ref}"
            made[version["job"]] = ref
            for artifact in version["files"].values():
                yield from _file(ref, artifact, evidence.store)
    for job in jobs.values():
        result = json.loads(job.record["result"]) if job.state == "SUCCEEDED" else None
        said = result["model"] if result and job.record["kind"] == "train" else None
        if made.get(job.id) != said:
            yield f"{job.label}: its result names the model {said}, the registry {made.get(job.id)}"


def _file(ref: str, artifact: dict[str, Any], store: Path) -> Iterator[str]:
    path = store / "sha256" / artifact["digest"][:2] / artifact["digest"] / artifact["name"]
    if not path.exists():
        yield f"{ref}: {artifact['name']} is not in the store"
    elif hashlib.sha256(path.read_bytes()).hexdigest() != artifact["digest"]:
        yield f"{ref}: {artifact['name']} is damaged"


def _effects(jobs: Mapping[str, Ended], evidence: Evidence) -> Iterator[str]:
    """Nothing was executed more often than the ledger knows of."""
    executed = Counter(evidence.effects.read_text().splitlines())
    most = {job.label: job.attempts * json.loads(job.record["spec"]).get("workers", 1) for job in jobs.values()}
    torn = {label for label, known in evidence.submitted.items() if known.torn}
    for label, times in executed.items():
        if label not in torn and times > most.get(label, 0):
            yield f"{label} was executed {times} times, at most {most.get(label, 0)} in its attempts"
    for job in jobs.values():
        if job.record["kind"] == "train" and job.state == "SUCCEEDED" and not executed[job.label]:
            yield f"{job.label} succeeded without having been executed"


def _stray_keys(jobs: Mapping[str, Ended], evidence: Evidence) -> Iterator[str]:
    for name in evidence.client.names():
        of_job = _OF_JOBS.fullmatch(name)
        if of_job and of_job[1] in jobs:
            continue
        if not _LASTING.fullmatch(name) and not evidence.client.expires(name):
            yield f"the key {name!r} has leaked"
    for message in evidence.client.listed("stoker:quarantine")[:5]:
        yield f"a message was put aside: {message}"
    if evidence.results is not evidence.client:
        for name in evidence.results.names():
            if not _OF_JOBS.fullmatch(name) or not evidence.results.expires(name):
                yield f"the key {name!r} among the results has leaked"


def _messages(jobs: Mapping[str, Ended], evidence: Evidence) -> Iterator[str]:
    """What still rings may only ring for what has ended."""
    for name in evidence.client.names("*\x06\x16*"):
        for message in evidence.client.listed(name):
            # A member of a gang, or a child, is named by its job and more.
            job_id = json.loads(message)["headers"]["id"][:36]
            if job_id not in jobs or jobs[job_id].state not in FINAL:
                yield f"a message on {name!r} rings for {job_id}, which has not ended"
    unacked = len(evidence.client.fields("unacked"))
    if unacked > evidence.most_unacked:
        yield f"{unacked} messages are unacknowledged, at most {evidence.most_unacked} may be"
