-- A running attempt's sign of life: renews its lease and takes what it has to tell.
-- ARGV: id, owner, lease in ms, latest progress ('' for none), checkpoints kept now (JSON, '' for no change), events (JSON) …
-- Answers 'ok', 'cancel' (asked to stop), or 'lost' (the attempt is no longer the job's; nothing was written).
local id, owner, lease_ms, progress, checkpoints = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local holder, cancel = unpack(record(id, 'owner', 'cancel'))

if holder ~= owner then
  return 'lost'
end
local lease_until = now_ms() + lease_ms
redis.call('HSET', KEY.job .. id, 'lease_until', lease_until)
redis.call('ZADD', KEY.leases, lease_until, id)
if progress ~= '' then
  redis.call('HSET', KEY.job .. id, 'progress', progress)
end
if checkpoints ~= '' then
  redis.call('HSET', KEY.job .. id, 'checkpoints', checkpoints)
end
for n = 6, #ARGV do
  redis.call('XADD', KEY.events .. id, 'MAXLEN', '~', 10000, '*', 'event', ARGV[n])
end
return cancel and 'cancel' or 'ok'
