-- Ends an attempt whose job waits: for a time, for a wake (see wake_waiting in states.lua), or for the end of a child.
-- ARGV: id, owner, ISO time, why, after how many ms it goes on by itself ('': it does not), what its next attempt is to have,
--   1 if a controller goes on with it meanwhile
-- Returns 'ok', or 'lost' (the attempt is no longer the job's; nothing was written).
local id, owner, iso, why, after_ms, keep, is_followed = unpack(ARGV)
local ended = ended_before(id, owner, 'waited_by', iso)
if ended then
  return ended
end
local last_why, is_woken, children_news, attempt = unpack(record(id, 'waited_for', 'is_woken', 'children_news', 'attempt'))
count_step(id, 'waited')
move(id, 'WAITING')
redis.call('HSET', KEY.job .. id, 'waited_by', owner, 'awaits_wake', 1, 'waited_for', why, 'reason', why, 'kept', keep)
if is_followed == '1' then
  redis.call('HSET', KEY.job .. id, 'is_followed', 1)
  redis.call('SADD', KEY.followed, id)
end
if is_followed == '1' and why ~= last_why then
  local _, kept = pcall(cjson.decode, keep)
  local _, spec = pcall(cjson.decode, redis.call('HGET', KEY.job .. id, 'spec') or '')
  local role = type(spec) == 'table' and spec.approval
  -- Nobody has said anything yet, and nothing else has decided: see approve.lua.
  if type(role) == 'string' and type(kept) == 'table' and type(kept.approval) ~= 'table' and type(kept.outcome) ~= 'string' then
    tell_webhooks_of_job('approval.wanted', id, read_job(id), { role = role })
  end
end
if why ~= last_why then
  append_event(id, { type = 'waiting', reason = why })
end
store_celery_retry(id, attempt, why)
if is_woken or (tonumber(children_news or nil) or 0) > 0 then
  enqueue(id)
elseif after_ms ~= '' then
  local wake_at = now_ms() + after_ms
  redis.call('HSET', KEY.job .. id, 'wake_at', wake_at)
  redis.call('ZADD', KEY.due, wake_at, id)
end
return 'ok'
