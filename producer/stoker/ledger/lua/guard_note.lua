-- Notes what a guard has refused. ARGV: model, counts by reason (JSON), how many rows to keep, entries (JSON) …, the newest first
-- The first within ten minutes raises an alarm. Returns 1, or 0 if the guard is gone.
local QUIET_MS, FORGOTTEN_AFTER_S = 10 * 60 * 1000, 30 * 24 * 3600
local model, counts, most = ARGV[1], cjson.decode(ARGV[2]), tonumber(ARGV[3])
local counters, rows, total = KEY.guarded .. model, KEY.guard_rows .. model, 0
if redis.call('HEXISTS', KEY.guards, model) == 0 then
  return 0
end
for reason, count in pairs(counts) do
  redis.call('HINCRBY', counters, reason, count)
  total = total + count
  tally('guard ' .. reason, count)
end
for n = 4, #ARGV do
  redis.call('LPUSH', rows, ARGV[n])
end
redis.call('LTRIM', rows, 0, most - 1)
if now_ms() - (tonumber(redis.call('HGET', counters, 'alarm_at') or nil) or 0) > QUIET_MS then
  redis.call('HSET', counters, 'alarm_at', now_ms())
  raise_alarm({ what = 'guard', model = model,
    text = string.format('the guard of %s has refused %d: `stoker models guard %s` shows them', model, total, model) })
end
redis.call('EXPIRE', counters, FORGOTTEN_AFTER_S)
redis.call('EXPIRE', rows, FORGOTTEN_AFTER_S)
return 1
