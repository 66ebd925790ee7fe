-- Hands a running job back: a drained one costs nothing, a lost one counts towards max_attempts.
-- ARGV: id, owner, 'drained', 'lost' or 'expired' (lost, but only if its lease has run out), reason, list, bell, ISO time
-- Answers 'queued', 'dead', 'cancelled', or 'taken' (the attempt is no longer the job's; nothing was written).
local id, owner, why, reason, list, bell, iso = unpack(ARGV)
local holder, lease_until, cancel, max_attempts = unpack(record(id, 'owner', 'lease_until', 'cancel', 'max_attempts'))

if holder ~= owner or (why == 'expired' and tonumber(lease_until) > now_ms()) then
  return 'taken'
end
if cancel then
  finish(id, 'CANCELLED', { reason = 'cancelled while it ran' }, iso)
  return 'cancelled'
end
if why ~= 'drained' then
  local losses = redis.call('HINCRBY', KEY.job .. id, 'losses', 1)
  if losses >= tonumber(max_attempts) then
    finish(id, 'DEAD', { reason = 'gave up after ' .. losses .. ' lost workers; the last: ' .. reason }, iso)
    return 'dead'
  end
end
requeue(id, reason, list, bell)
return 'queued'
