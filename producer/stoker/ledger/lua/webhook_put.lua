-- Adds a webhook, changes or removes it. ARGV: id, its record as it was read ('' for none), its new record (JSON; '' to remove
--   it), what is done (a word for the audit), its URL without what is secret in it, how many webhooks there may be
-- Returns 'ok', 'changed' (it is not what was read any more; nothing was written), or 'full' (likewise).
local id, was, becomes, what, url, most = unpack(ARGV)
local now = redis.call('HGET', KEY.webhooks, id) or ''

if now == becomes then
  return 'ok'
elseif now ~= was then
  return 'changed'
elseif was == '' and redis.call('HLEN', KEY.webhooks) >= tonumber(most) then
  return 'full'
end
audit({ what = what, about = 'webhook ' .. id, text = url })
if becomes ~= '' then
  redis.call('HSET', KEY.webhooks, id, becomes)
  redis.call('SET', KEY.hooked, 1)
  return 'ok'
end
redis.call('HDEL', KEY.webhooks, id)
redis.call('DEL', KEY.webhook_deliveries .. id, KEY.webhook_due .. id, KEY.webhook_delivered .. id, KEY.webhook_dead .. id,
  KEY.webhook_counts .. id)
if redis.call('EXISTS', KEY.webhooks) == 0 then
  redis.call('DEL', KEY.hooked, KEY.webhook_events)
end
return 'ok'
