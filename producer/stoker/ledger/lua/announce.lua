-- A worker's heartbeat. ARGV: name, its description (JSON; '' if it ends now), silence after which one is forgotten, ms
-- Returns how many slots it was last asked for, or false.
local name, description, silence_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])

local function forget(worker)
  redis.call('ZREM', KEY.seen, worker)
  redis.call('HDEL', KEY.workers, worker)
  redis.call('HDEL', KEY.wanted, worker)
end

for _, silent in ipairs(redis.call('ZRANGEBYSCORE', KEY.seen, '-inf', now_ms() - silence_ms)) do
  forget(silent)
end
if description == '' then
  forget(name)
  return false
end
redis.call('ZADD', KEY.seen, now_ms(), name)
redis.call('HSET', KEY.workers, name, description)
return redis.call('HGET', KEY.wanted, name)
