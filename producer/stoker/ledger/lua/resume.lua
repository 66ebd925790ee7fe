-- Lets a paused job go on. ARGV: id
-- Returns the state it had, false if there is no job, or 'damaged' (its record). One that is not paused stays as it is.
local id = ARGV[1]
local state = redis.call('HGET', KEY.job .. id, 'state')

if not (YET_TO_START[state] or state == 'RUNNING') then
  return state
end
if state_of(id) ~= state then
  return 'damaged'
end
if redis.call('HEXISTS', KEY.job .. id, 'paused') == 1 then
  audit_job('resumed', id)
end
resume(id)
return state
