-- Pauses a job: at once if it waits, through its worker if it runs. ARGV: id
-- Returns the state it had, false if there is no job, 'damaged' (its record), or 'unsaved' (it runs and keeps no checkpoint;
-- nothing was written). A job that has ended stays as it is.
local id = ARGV[1]
local state = redis.call('HGET', KEY.job .. id, 'state')

if not (YET_TO_START[state] or state == 'RUNNING') then
  return state
end
if state_of(id) ~= state then
  return 'damaged'
end
if state == 'RUNNING' and loses_work(id) then
  return 'unsaved'
end
if redis.call('HEXISTS', KEY.job .. id, 'paused') == 0 then
  audit_job('paused', id)
end
pause(id)
return state
