-- Gives a queued job to one owner, whose name is the fencing token of the attempt.
-- ARGV: id, owner, worker, lease in ms
-- Answers {'missing'}, {'taken'}, or {'claimed', attempt, spec, checkpoints (JSON, '' for none), what is wrong with its
--   record ('' for nothing), kind, queue, when it was queued (ms), the trace it belongs to ('' for none)}.
local id, owner, worker, lease_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local GANG_WAITS_MS = 5000

-- Whether a job runs on several slots.
local function wants_gang(kind, spec)
  local is_json, fields = pcall(cjson.decode, kind == 'train' and spec or '')
  return is_json and type(fields) == 'table' and type(fields.workers) == 'number' and fields.workers > 1
end

local state = mend(id)
local holder, attempt, kind, spec, checkpoints, flaw, queue, queued_at, traceparent = unpack(
  record(id, 'owner', 'attempt', 'kind', 'spec', 'checkpoints', 'flaw', 'queue', 'queued_at', 'traceparent'))

if not state then
  return { 'missing' }
end
-- The same owner again is a repeat of a call whose answer was lost.
if state ~= 'QUEUED' and holder ~= owner then
  return { 'taken' }
end
if state == 'QUEUED' and not may_start(id) then
  return { 'taken' }
end
-- One gang of a queue gathers at a time: two that have half of their members each would wait for each other for ever.
if state == 'QUEUED' and wants_gang(kind, spec)
  and not redis.call('SET', KEY.gathering .. queue, owner, 'NX', 'PX', lease_ms) then
  local due_ms = now_ms() + GANG_WAITS_MS
  move(id, 'WAITING')
  append_event(id, { type = 'waiting', not_before = due_ms, reason = 'another training gathers its workers' })
  redis.call('ZADD', KEY.due, due_ms, id)
  return { 'taken' }
end
if state == 'QUEUED' then
  attempt = attempt + 1
  local now = now_ms()
  move(id, 'RUNNING')
  redis.call('HSET', KEY.job .. id, 'owner', owner, 'worker', worker, 'attempt', attempt,
    'started_at', now, 'lease_until', now + lease_ms)
  redis.call('ZADD', KEY.leases, now + lease_ms, id)
  observe('wait ' .. queue, now - (queued_at or now), BOUNDS.time)
  append_event(id, { type = 'started', worker = worker, attempt = attempt })
  tell_celery(id, 'STARTED', cjson.encode({ hostname = worker }), 'null', nil)
end
return { 'claimed', tonumber(attempt), spec or '', checkpoints or '', flaw or '', kind, queue, tonumber(queued_at or 0),
  traceparent or '' }
