-- Forgets a dead job. ARGV: id. Returns its state before, or false.
local state = redis.call('HGET', KEY.job .. ARGV[1], 'state')
if state == 'DEAD' then
  audit_job('dropped', ARGV[1])
  forget(ARGV[1])
end
return state
