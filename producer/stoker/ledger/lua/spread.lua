-- An attempt has planned a job as parts: jobs of their own, by which it waits to be ended.
-- ARGV: id, owner, ISO time, rows in all, then for each part: its id, its spec, its summary
-- Answers 'ok', or 'lost' (the attempt is no longer the job's; nothing was written).
local id, owner, iso, rows = unpack(ARGV, 1, 4)
local holder, spread_by, cancel = unpack(record(id, 'owner', 'spread_by', 'cancel'))
local count = (#ARGV - 4) / 3

if spread_by == owner then
  return 'ok'
end
if holder ~= owner then
  return 'lost'
end
if cancel then
  finish(id, 'CANCELLED', { reason = 'cancelled while it ran' }, iso)
  return 'ok'
end
local reason = 'spread over ' .. count .. ' parts'
remember_attempt(id, 'spread', reason)
move(id, 'WAITING')
redis.call('HSET', KEY.job .. id, 'spread_by', owner, 'open_parts', count, 'part_rows', rows, 'done_rows', 0)
append_event(id, { type = 'waiting', reason = reason })
local names = { 'queue', 'model', 'priority', 'tags', 'max_attempts', 'sequence', 'tenant', 'traceparent', 'release', 'memory',
  'cpus', 'gpu_memory', 'may_fall_back' }
local common = { 'kind', 'part', 'parent', id, 'attempt', 0, 'losses', 0, 'blockers', 0, 'submitted_at', now_ms() }
for n, value in ipairs(record(id, unpack(names))) do
  if value then
    common[#common + 1] = names[n]
    common[#common + 1] = value
  end
end
for n = 5, #ARGV, 3 do
  local part, spec, summary = unpack(ARGV, n, n + 2)
  redis.call('HSET', KEY.parts .. id, part, '')
  redis.call('HSET', KEY.job .. part, 'spec', spec, 'summary', summary, unpack(common))
  enqueue(part, nil)
end
return 'ok'
