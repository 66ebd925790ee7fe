-- A member leaves its gang, or the chief ends it. ARGV: owner of the attempt, the job's id from the chief ('' from a
--   member), the member's address, 1 if the member has done its work, so that it is not missed, what is away that it
--   needs ('' if nothing is), why
local owner, id, address, done, of, reason = unpack(ARGV)
local OUTAGE_KEPT_S = 600

if id ~= '' then
  local gathering = KEY.gathering .. (redis.call('HGET', KEY.job .. id, 'queue') or '')
  redis.call('DEL', KEY.gang .. owner, KEY.gang_rung .. owner, KEY.gang_outage .. owner)
  if redis.call('GET', gathering) == owner then
    redis.call('DEL', gathering)
  end
elseif done == '1' and redis.call('ZSCORE', KEY.gang .. owner, address) then
  redis.call('ZADD', KEY.gang .. owner, '+inf', address)
else
  if of ~= '' then
    redis.call('HSET', KEY.gang_outage .. owner, 'of', of, 'reason', reason)
    redis.call('EXPIRE', KEY.gang_outage .. owner, OUTAGE_KEPT_S)
  end
  redis.call('ZREM', KEY.gang .. owner, address)
end
