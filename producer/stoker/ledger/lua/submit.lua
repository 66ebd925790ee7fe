-- Takes a few jobs in, or nothing of any. ARGV: jobs (JSON, see intake.lua), ISO time, what references of
--   models led to (JSON, see `has_moved`). A job is {id, number of its shape} or {…, idempotency key, digest}.
-- Returns {place, id, …} of those for which an older job is given back: one with its idempotency key, or its singleton key, or
--   an identical one that has succeeded; {'conflict', key} if that has another spec; {'moved'} if `has_moved`; {'busy', id} of
--   the job with the singleton key of the first of several; {'missing' or the state it ended in, id} of a job to come after;
--   {'quota', tenant, its jobs that have not started, how many these may be}, or {'budget', …} as usage.lua has it.
local chunk, iso = cjson.decode(ARGV[1]), ARGV[2]
local older, fresh, coming, more, reused = {}, {}, {}, {}, {}
-- The job whose place the only one of these takes.
local replaced

for n, job in ipairs(chunk.jobs) do
  local id, shape, key, digest = unpack(job)
  local old = key and redis.call('GET', KEY.idempotency .. key)
  local known = false
  local old_id, old_digest = string.match(old or '', '^(%S+) (%S+)$')
  -- A key lives as long as the record of its job.
  if old_id and redis.call('EXISTS', KEY.job .. old_id) == 1 then
    if old_digest ~= digest then
      return { 'conflict', key }
    end
    known = true
    if old_id ~= id then
      older[#older + 1], older[#older + 2] = n, old_id
      id = old_id
    end
  elseif redis.call('EXISTS', KEY.job .. id) == 1 then
    -- A repeat of a submit whose answer was lost is not judged again by what has happened since.
    known = true
  elseif identical_job(chunk.shapes[shape]) then
    known = true
    reused[#reused + 1] = identical_job(chunk.shapes[shape])
    older[#older + 1], older[#older + 2] = n, reused[#reused]
  elseif chunk.shapes[shape].singleton then
    local holder, its_job = open_singleton(chunk.shapes[shape].singleton)
    local has_begun = holder and (its_job.state == 'RUNNING' or its_job.attempt ~= '0')
    local debounce = chunk.shapes[shape].debounce_ms
    if holder and #chunk.jobs > 1 then
      return { 'busy', holder }
    elseif holder and (has_begun or not debounce) then
      known = true
      older[#older + 1], older[#older + 2] = n, holder
    elseif debounce then
      put_off_new(chunk.shapes[shape], its_job)
      replaced = holder
      if holder then
        more[its_job.tenant or ''] = (more[its_job.tenant or ''] or 0) - 1
      end
    end
  end
  if not known then
    for _, first in ipairs(chunk.shapes[shape].after) do
      local state = coming[first] or redis.call('HGET', KEY.job .. first, 'state')
      if is_dead_end(state) then
        return { state or 'missing', first }
      end
    end
  end
  coming[id] = 'WAITING'
  if not known then
    fresh[#fresh + 1] = job
    local tenant = chunk.shapes[shape].tenant or ''
    more[tenant] = (more[tenant] or 0) + 1
  end
end

if #fresh > 0 and has_moved(cjson.decode(ARGV[3])) then
  return { 'moved' }
end
local refusal = over_quota(more)
if refusal then
  return refusal
end
audit_jobs('submitted', { shapes = chunk.shapes, jobs = fresh })
if replaced then
  finish(replaced, 'CANCELLED', { reason = 'job ' .. chunk.jobs[1][1] .. ' takes its place' }, iso)
end
for _, id in ipairs(reused) do
  redis.call('HINCRBY', KEY.job .. id, 'reused', 1)
end
local added = {}
for _, job in ipairs(fresh) do
  local tenant = chunk.shapes[job[2]].tenant or ''
  added[tenant] = (added[tenant] or 0) + 1
end
count_queued(added)
take_in({ shapes = chunk.shapes, jobs = fresh }, iso)
hold_singletons({ shapes = chunk.shapes, jobs = fresh })
for _, job in ipairs(fresh) do
  local id, _, key, digest = unpack(job)
  if key then
    redis.call('SET', KEY.idempotency .. key, id .. ' ' .. digest)
    redis.call('HSET', KEY.job .. id, 'idempotency_key', key)
  end
end
return older
