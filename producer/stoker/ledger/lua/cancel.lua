-- Asks for a job's end: at once if it only waits, else through its worker.
-- ARGV: id, ISO time
-- Returns the state the job had, or false if there is none.
local id, iso = ARGV[1], ARGV[2]
local state = redis.call('HGET', KEY.job .. id, 'state')

if YET_TO_START[state] or state == 'RUNNING' and redis.call('HEXISTS', KEY.job .. id, 'cancel') == 0 then
  audit_job('cancelled', id)
end
if state == 'QUEUED' or state == 'WAITING' then
  local has_children = redis.call('EXISTS', KEY.children .. id) == 1
  local awaits_wake = redis.call('HEXISTS', KEY.job .. id, 'awaits_wake') == 1
  local reason = awaits_wake and 'cancelled while it waited' or has_children and 'cancelled while it ran'
  finish(id, 'CANCELLED', { reason = reason or 'cancelled before it started' }, iso)
elseif state == 'RUNNING' then
  redis.call('HSET', KEY.job .. id, 'cancel', 1)
end
return state
