-- Queues the jobs whose time has come, the longest overdue first, and those whose worker has: see unserved.lua.
-- ARGV: limit, ISO time. Returns how many.
local limit, iso, woken = tonumber(ARGV[1]), ARGV[2], 0

for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEY.due, '-inf', now_ms(), 'LIMIT', 0, limit)) do
  local state, flaws = examine(id)
  if state == 'WAITING' and next(flaws) then
    condemn(id, flaws, iso)
  elseif state == 'WAITING' then
    enqueue(id, nil)
  else
    redis.call('ZREM', KEY.due, id)
  end
  woken = woken + 1
end
for _, needs in ipairs(redis.call('SRANDMEMBER', KEY.needs, 100)) do
  local able, free = workers_for(needs)
  local most = able > 0 and math.min(math.max(1, free), limit) or 0
  local ids = most > 0 and redis.call('ZRANGE', KEY.unserved .. needs, 0, most - 1) or {}
  for _, id in ipairs(ids) do
    if state_of(id) == 'WAITING' then
      enqueue(id, 'a worker that can run it is there')
      woken = woken + 1
    else
      redis.call('ZREM', KEY.unserved .. needs, id)
    end
  end
  if redis.call('EXISTS', KEY.unserved .. needs) == 0 then
    redis.call('SREM', KEY.needs, needs)
  end
end
return woken
