-- Keeps what was sampled of the requests to a version, the oldest of it dropped beyond bounds, and wakes its job when that
-- makes a window. ARGV: model, job, version, a batch, then of each request that may get a label: its id, what was predicted
-- A batch is <rows as uint32><the rest>. Returns 1, or 0 if nothing is sampled for that job any more.
local model, job, ref, batch = unpack(ARGV, 1, 4)
local wanted = sampling_of(model)
if not wanted or wanted.job ~= job then
  return 0
elseif not is_live(job) then
  -- Something else has taken its record away.
  end_sampling(job, model)
  return 0
end
local counts, list, window = KEY.sampled .. model, KEY.samples .. ref, tonumber(wanted.window)
-- A list that has expired begins anew: what was counted of it is gone.
if redis.call('EXISTS', list) == 0 then
  redis.call('HDEL', counts, ref .. ' rows', ref .. ' bytes')
end
local rows_before = tonumber(redis.call('HGET', counts, ref .. ' rows') or nil) or 0
redis.call('RPUSH', list, batch)
redis.call('EXPIRE', list, 30 * 86400)
local rows = redis.call('HINCRBY', counts, ref .. ' rows', rows_of(batch))
local bytes = redis.call('HINCRBY', counts, ref .. ' bytes', #batch)
redis.call('HINCRBY', counts, ref .. ' kept', rows_of(batch))
while rows > 4 * window or bytes > wanted.most_bytes do
  local oldest = redis.call('LPOP', list)
  if not oldest then
    redis.call('HDEL', counts, ref .. ' rows', ref .. ' bytes')
    break
  end
  local its_rows = rows_of(oldest)
  rows = redis.call('HINCRBY', counts, ref .. ' rows', -its_rows)
  bytes = redis.call('HINCRBY', counts, ref .. ' bytes', -#oldest)
  redis.call('HINCRBY', counts, ref .. ' dropped', its_rows)
end

-- Answers are known until twice the time for which labels count, so that one that comes late is told so.
local answered, by_time = KEY.answered .. model, KEY.answered_at .. model
for n = 5, #ARGV, 2 do
  redis.call('HSET', answered, ARGV[n], now_ms() .. ' ' .. ref .. ' ' .. ARGV[n + 1])
  redis.call('ZADD', by_time, now_ms(), ARGV[n])
end
local over = redis.call('ZCARD', by_time) - wanted.most_answers
local old = over > 0 and redis.call('ZPOPMIN', by_time, math.min(over, 1000)) or {}
for n = 1, #old, 2 do
  redis.call('HDEL', answered, old[n])
end
local forgotten = redis.call('ZRANGEBYSCORE', by_time, '-inf', now_ms() - 2000 * wanted.horizon_s, 'LIMIT', 0, 1000)
if #forgotten > 0 then
  redis.call('HDEL', answered, unpack(forgotten))
  redis.call('ZREM', by_time, unpack(forgotten))
end
if rows >= window and rows_before < window then
  wake_waiting(job)
end
return 1
