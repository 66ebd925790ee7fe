-- Gives a queued job to one owner, whose name is the fencing token of the attempt.
-- ARGV: id, owner, worker, lease in ms
-- Answers {'missing'}, {'taken', state}, or {'claimed', attempt, queue, spec, checkpoint}.
local id, owner, worker, lease_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local kind, state, holder, sequence, attempt, queue, spec, checkpoint =
  unpack(record(id, 'kind', 'state', 'owner', 'sequence', 'attempt', 'queue', 'spec', 'checkpoint'))

if not state then
  return { 'missing' }
end
if state ~= 'QUEUED' and holder ~= owner then
  return { 'taken', state }
end
if state == 'QUEUED' then
  attempt = attempt + 1
  local now = now_ms()
  move(id, kind, state, 'RUNNING', sequence)
  redis.call('HSET', KEY.job .. id, 'owner', owner, 'worker', worker, 'attempt', attempt,
    'started_at', now, 'lease_until', now + lease_ms)
  redis.call('ZADD', KEY.leases, now + lease_ms, id)
  append_event(id, cjson.encode({ type = 'started', worker = worker, attempt = attempt }))
  tell_celery(id, 'STARTED', cjson.encode({ hostname = worker }), 'null', nil)
end
return { 'claimed', tonumber(attempt), queue, spec, checkpoint or '' }
