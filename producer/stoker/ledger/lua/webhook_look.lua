-- What a controller has to do for webhooks; forgets deliveries that ended long ago. ARGV: now (ms), how many events to read
-- Returns {{id, record, how many of its deliveries are due, …}, {place, event (JSON), …}}.
local now, limit = tonumber(ARGV[1]), ARGV[2]
local DELIVERED_MS, MOST_DELIVERED = 3 * 24 * 3600000, 1000
local DEAD_MS, MOST_DEAD = 30 * 24 * 3600000, 100000
local A_LOOK = 200

local function forget_old(ended, id, age_ms, most)
  local excess = redis.call('ZCARD', ended) - most
  local old = redis.call('ZRANGEBYSCORE', ended, '-inf', now - age_ms, 'LIMIT', 0, A_LOOK)
  if excess > #old then
    old = redis.call('ZRANGE', ended, 0, math.min(excess, A_LOOK) - 1)
  end
  if #old > 0 then
    redis.call('ZREM', ended, unpack(old))
    redis.call('HDEL', KEY.webhook_deliveries .. id, unpack(old))
  end
end

local fields, webhooks, events = redis.call('HGETALL', KEY.webhooks), {}, {}
-- Something else may have taken away one of both.
if #fields == 0 then
  redis.call('DEL', KEY.hooked, KEY.webhook_events)
  return { webhooks, events }
end
if redis.call('EXISTS', KEY.hooked) == 0 then
  redis.call('SET', KEY.hooked, 1)
end
for n = 1, #fields, 2 do
  local id = fields[n]
  forget_old(KEY.webhook_delivered .. id, id, DELIVERED_MS, MOST_DELIVERED)
  forget_old(KEY.webhook_dead .. id, id, DEAD_MS, MOST_DEAD)
  webhooks[#webhooks + 1], webhooks[#webhooks + 2] = id, fields[n + 1]
  webhooks[#webhooks + 1] = redis.call('ZCOUNT', KEY.webhook_due .. id, '-inf', now)
end
for _, entry in ipairs(redis.call('XRANGE', KEY.webhook_events, '-', '+', 'COUNT', limit)) do
  events[#events + 1], events[#events + 2] = entry[1], entry[2][2] or ''
end
return { webhooks, events }
