-- Notes how a try ended. ARGV: webhook, id of the delivery, the end of the lease (ms), what the delivery is now (JSON), its state,
--   when it is due or has ended (ms), now (ms), what was wrong ('' for nothing)
-- Returns 1, or 0 if the delivery is another's by now, or gone: then nothing was written.
local webhook, id, lease, becomes, state, at, now, problem = unpack(ARGV)
local due, counts = KEY.webhook_due .. webhook, KEY.webhook_counts .. webhook
if tonumber(redis.call('ZSCORE', due, id) or nil) ~= tonumber(lease) then
  return 0
end
redis.call('HSET', KEY.webhook_deliveries .. webhook, id, becomes)
if state == 'waiting' then
  redis.call('ZADD', due, at, id)
else
  redis.call('ZREM', due, id)
  redis.call('ZADD', (state == 'dead' and KEY.webhook_dead or KEY.webhook_delivered) .. webhook, at, id)
end
if problem == '' then
  redis.call('HINCRBY', counts, 'delivered', 1)
  redis.call('HDEL', counts, 'failing_since')
else
  redis.call('HINCRBY', counts, 'failed', 1)
  redis.call('HSETNX', counts, 'failing_since', now)
  redis.call('HSET', counts, 'problem', problem)
end
return 1
