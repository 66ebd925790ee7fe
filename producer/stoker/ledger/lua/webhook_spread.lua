-- Makes an event a delivery to each webhook that wants it, once. ARGV: the event's place in the stream ('' for one that is told
--   of nowhere else), now (ms), how many may wait for one webhook, and of each delivery: webhook, id, delivery (JSON)
-- Returns how many there are now; 0 also if the event has been spread before.
local place, now, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local spread = 0
if place ~= '' and redis.call('XDEL', KEY.webhook_events, place) == 0 then
  return 0
end
for n = 4, #ARGV, 3 do
  local webhook, id, delivery = unpack(ARGV, n, n + 2)
  -- It may have been removed meanwhile.
  local is_there = redis.call('HEXISTS', KEY.webhooks, webhook) == 1
  if is_there and redis.call('ZCARD', KEY.webhook_due .. webhook) >= most then
    redis.call('HINCRBY', KEY.webhook_counts .. webhook, 'dropped', 1)
  elseif is_there and redis.call('HSETNX', KEY.webhook_deliveries .. webhook, id, delivery) == 1 then
    redis.call('ZADD', KEY.webhook_due .. webhook, now, id)
    spread = spread + 1
  end
end
return spread
