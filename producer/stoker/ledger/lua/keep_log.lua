-- Notes the file of what a job has printed so far.
-- ARGV: id, owner, log (JSON)
-- Returns 'ok' or 'lost' (the attempt is no longer the job's; nothing was written).
local id, owner, log = unpack(ARGV)
if record(id, 'owner')[1] ~= owner then
  return 'lost'
end
redis.call('HSET', KEY.job .. id, 'log', log)
return 'ok'
