"""Which of many jobs have ended."""

from collections.abc import Sequence

from ..errors import JobNotFound
from ..events import FINAL
from ..redis.calls import Call, Script
from .keys import lua_tables

# So many jobs keep the server busy for about a millisecond.
LOOK = 1000
ENDED = Script(
    lua_tables()
    + """
-- ARGV: ids. Returns {place, state, …} of the jobs that have ended, also in a state of a newer version; of a job
-- without a record the state is ''.
local OPEN = { WAITING = true, QUEUED = true, RUNNING = true }
local ended = {}
for n, id in ipairs(ARGV) do
  local values = redis.pcall('HMGET', KEY.job .. id, 'state', 'finished_at')
  local state = not values.err and values[1] or ''
  if not OPEN[state] and (values.err or values[2] or state == '' or FINAL[state]) then
    ended[#ended + 1], ended[#ended + 2] = n, state
  end
end
return ended
""".replace("FINAL", "({ " + ", ".join(f"{state} = true" for state in FINAL) + " })")
)


def ended(job_ids: Sequence[str]) -> Call[list[str]]:
    """Those of at most `LOOK` jobs that have ended.

    Raises:
        JobNotFound: one has no record.
    """

    def decode(answer: list[object]) -> list[str]:
        ids = [job_ids[place - 1] for place in answer[::2] if isinstance(place, int)]
        for job_id, state in zip(ids, answer[1::2], strict=True):
            if not state:
                raise JobNotFound(f"no job has the id {job_id!r}: it never existed or its record has expired")
        return ids

    return Call(tuple(job_ids), decode, ENDED)
