-- Of webhooks, how their deliveries go. ARGV: now (ms), ids of webhooks …
-- Returns of each {how many wait, for how long the one overdue longest is (ms), how many were given up, counts …}.
local now, states = tonumber(ARGV[1]), {}
for n = 2, #ARGV do
  local id = ARGV[n]
  local due = KEY.webhook_due .. id
  local first = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1)
  states[#states + 1] = { redis.call('ZCARD', due), math.max(0, now - (tonumber(first[2]) or now)),
    redis.call('ZCARD', KEY.webhook_dead .. id), redis.call('HGETALL', KEY.webhook_counts .. id) }
end
return states
