-- Forgets jobs that ended long ago, the oldest first. ARGV: how many to keep, for how long (ms), limit. Returns how many.
local keep, age_ms, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local old = redis.call('ZRANGEBYSCORE', KEY.finished, '-inf', now_ms() - age_ms, 'LIMIT', 0, limit)
local excess = math.min(redis.call('ZCARD', KEY.finished) - keep, limit)
if excess > #old then
  old = redis.call('ZRANGE', KEY.finished, 0, excess - 1)
end
-- Results have no Redis of their own any more: nobody will copy them.
if redis.call('EXISTS', KEY.mirrored) == 0 then
  redis.call('DEL', KEY.untold)
end
for _, id in ipairs(old) do
  forget(id)
end
return #old
