-- Takes one step of a schedule: its new state, and the jobs that it starts, or neither.
-- ARGV: name, its state as it was read ('' for a new one), its new state ('' to remove it), what it is ('' leaves that),
--   how many there may be, jobs (JSON, see intake.lua; '' for none), ISO time
-- Returns {'ok'}, also for a repeat of what is done; {'changed'} (somebody else was first; nothing was written); {'full'};
--   {'busy', id} (the first of its jobs is a singleton, and there is one that has not ended; nothing was written);
--   {'quota', tenant, its jobs that have not started, how many these may be} (likewise).
local name, was, becomes, document, most, jobs, iso = unpack(ARGV)
local is_now = redis.call('HGET', KEY.schedule_states, name) or ''

if is_now == becomes and (document == '' or redis.call('HGET', KEY.schedules, name) == document) then
  return { 'ok' }
end
if is_now ~= was then
  return { 'changed' }
end
if was == '' and redis.call('HLEN', KEY.schedules) >= tonumber(most) then
  return { 'full' }
end
local change = becomes == '' and 'unscheduled' or was == '' and 'scheduled' or document ~= '' and 'rescheduled'
if change then
  audit({ what = change, about = name })
end
if jobs ~= '' then
  local chunk, more = cjson.decode(jobs), {}
  local holder = open_singleton(chunk.shapes[chunk.jobs[1][2]].singleton)
  if holder then
    return { 'busy', holder }
  end
  for _, job in ipairs(chunk.jobs) do
    local tenant = chunk.shapes[job[2]].tenant or ''
    more[tenant] = (more[tenant] or 0) + 1
  end
  local refusal = over_quota(more)
  if refusal then
    return refusal
  end
  audit_jobs('submitted', chunk, ', of the schedule ' .. name)
  count_queued(more)
  take_in(chunk, iso)
  hold_singletons(chunk)
end
if becomes == '' then
  redis.call('HDEL', KEY.schedules, name)
  redis.call('HDEL', KEY.schedule_states, name)
  return { 'ok' }
end
redis.call('HSET', KEY.schedule_states, name, becomes)
if document ~= '' then
  redis.call('HSET', KEY.schedules, name, document)
end
return { 'ok' }
