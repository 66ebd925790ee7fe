-- A worker's sign of life. ARGV: name, what it says of itself (JSON), silence after which one is forgotten, ms
-- Answers how many slots it was last asked for, or false.
local name, said, silence_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = now_ms()
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEY.seen, '-inf', now - silence_ms)) do
  forget_worker(gone)
end
redis.call('ZADD', KEY.seen, now, name)
redis.call('HSET', KEY.workers, name, said)
return redis.call('HGET', KEY.wanted, name)
