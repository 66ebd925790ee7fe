-- Claims the delivery of a webhook that is due longest. ARGV: webhook, now (ms), the end of the lease (ms)
-- Returns {the webhook's record, delivery (JSON)}; nothing if none is due, or the webhook is gone.
local webhook, now, lease = unpack(ARGV)
local due, record = KEY.webhook_due .. webhook, redis.call('HGET', KEY.webhooks, webhook)
if not record then
  return {}
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 100)) do
  local delivery = redis.call('HGET', KEY.webhook_deliveries .. webhook, id)
  if delivery then
    redis.call('ZADD', due, lease, id)
    return { record, delivery }
  end
  -- Something else has taken it away.
  redis.call('ZREM', due, id)
end
return {}
