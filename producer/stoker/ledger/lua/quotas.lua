-- Lays down what holds for tenants. ARGV: field, value, field, value … Answers 1 if that is new.
local laid = redis.call('HGETALL', KEY.quotas)
local before, is_new = {}, #laid ~= #ARGV
for n = 1, #laid, 2 do
  before[laid[n]] = laid[n + 1]
end
for n = 1, #ARGV, 2 do
  is_new = is_new or before[ARGV[n]] ~= ARGV[n + 1]
end
if not is_new then
  return 0
end
redis.call('DEL', KEY.quotas)
redis.call('HSET', KEY.quotas, unpack(ARGV))
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
