"""Who may approve a deployment where Redis has the users of config/users.acl."""

import uuid
from contextlib import closing
from datetime import UTC, datetime

import pytest
import redis

import stoker
from stoker.kinds.rollout import Rollout
from stoker.ledger import approvals, attempts, intake, records, waits
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.ledger.scripts import script
from stoker.redis.calls import Call
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .test_acl import denied, server_url, url_of

__all__ = ["server_url"]


def test_who_may_write_a_roles_key_approves_and_no_client(server_url: str) -> None:
    connection = Connection.open(Settings(), server_url)
    spec = stoker.Deploy(model="guarded@1", approval="release-managers")
    with redis.Redis.from_url(server_url) as admin, closing(connection):
        admin.acl_log_reset()
        connection.run(approvals.set_roles({"release-managers": ["client", "approver"], "others": ["approver"]}))
        jobs = []
        for asked in (spec, spec.model_copy(update={"approval": "others"})):
            [job] = connection.run(intake.submit([NewJob(str(uuid.uuid4()), asked, "gpu.batch")]))
            attempt = connection.run(attempts.claim(job, f"owner {job}", "nobody", 60))
            assert isinstance(attempt, Attempt)
            rollout = Rollout(model="guarded@1", tested=datetime.now(UTC))
            connection.run(waits.wait(attempt, "its approval", keep=rollout.model_dump_json().encode()))
            jobs.append(job)
        with stoker.Client(settings=Settings(redis_url=url_of("client", server_url))) as client:
            with pytest.raises(stoker.Unauthorized, match="whoami"):
                client.approve(jobs[0])
            # One that says that it is another is stopped by the key.
            with pytest.raises(stoker.Unauthorized):
                client._run(Call((jobs[0], "approver", 1, ""), list, script("approve")))
        admin.acl_log_reset()
        with stoker.Client(settings=Settings(redis_url=url_of("approver", server_url))) as client:
            assert client.approve(jobs[0]) == "approver"
            assert denied(admin) == []
            with pytest.raises(stoker.Unauthorized, match="forbids"):
                client.approve(jobs[1])
        assert admin.hkeys("stoker:approvals:release-managers") == [jobs[0].encode()]
        for job in jobs:
            connection.run(records.cancel(job))
