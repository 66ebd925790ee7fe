-- Replaces the tenants' quotas and weights. ARGV: field, value, field, value … Returns 1 if anything has changed.
local stored = redis.call('HGETALL', KEY.quotas)
local before, has_changed = {}, #stored ~= #ARGV
for n = 1, #stored, 2 do
  before[stored[n]] = stored[n + 1]
end
for n = 1, #ARGV, 2 do
  has_changed = has_changed or before[ARGV[n]] ~= ARGV[n + 1]
end
if not has_changed then
  return 0
end
redis.call('DEL', KEY.quotas)
-- One by one, for unpack puts all of them on Lua's stack: there may be any number of tenants.
for n = 1, #ARGV, 2 do
  redis.call('HSET', KEY.quotas, ARGV[n], ARGV[n + 1])
end
for _, queue in ipairs(QUEUES) do
  local waiting = {}
  for _, priority in ipairs(RANKED) do
    for _, tenant in ipairs(redis.call('ZRANGE', KEY.tenants .. queue .. ':' .. priority, 0, -1)) do
      waiting[tenant] = true
    end
  end
  for tenant in pairs(waiting) do
    place(queue, tenant)
  end
  fill_all(queue)
end
return 1
