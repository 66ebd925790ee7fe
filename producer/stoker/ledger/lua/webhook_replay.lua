-- Tries deliveries again that have ended, or now those that wait. ARGV: webhook, its URL without what is secret in it, now (ms),
--   and of each delivery: id, the state in which it was read, what it is to be (JSON)
-- Returns how many these are; those that are gone by now, or have arrived since they were read, are left alone.
local webhook, url, now = unpack(ARGV)
local replayed = {}
for n = 4, #ARGV, 3 do
  local id, was, becomes = unpack(ARGV, n, n + 2)
  local has_arrived = was ~= 'delivered' and redis.call('ZSCORE', KEY.webhook_delivered .. webhook, id)
  if not has_arrived and redis.call('HEXISTS', KEY.webhook_deliveries .. webhook, id) == 1 then
    replayed[#replayed + 1] = { id, becomes }
  end
end
if #replayed > 0 then
  audit({ what = 'replayed', about = 'webhook ' .. webhook, text = #replayed .. ' to ' .. url })
end
for _, each in ipairs(replayed) do
  redis.call('HSET', KEY.webhook_deliveries .. webhook, each[1], each[2])
  redis.call('ZREM', KEY.webhook_dead .. webhook, each[1])
  redis.call('ZREM', KEY.webhook_delivered .. webhook, each[1])
  redis.call('ZADD', KEY.webhook_due .. webhook, now, each[1])
end
return #replayed
