-- Takes jobs in: record, index, first event and doorbell of each, or nothing of any.
-- ARGV: how many, the lifetime of idempotency keys in seconds, then for each job
--   id, kind, queue, list, bell, spec, model, priority, tags, max_attempts, summary, idempotency key ('' for none), digest
-- Answers the ids, in order: an older job's where its idempotency key is known; {'conflict', key} if with another spec.
local FIELDS = 13
local count, lifetime_s = tonumber(ARGV[1]), tonumber(ARGV[2])
local ids = {}

for n = 0, count - 1 do
  local key, digest = ARGV[n * FIELDS + 14], ARGV[n * FIELDS + 15]
  local known = key ~= '' and redis.call('GET', KEY.idempotency .. key)
  if known then
    local known_id, known_digest = string.match(known, '^(%S+) (%S+)$')
    if known_digest ~= digest then
      return { 'conflict', key }
    end
    ids[n + 1] = known_id
  end
end

for n = 0, count - 1 do
  local id, kind, queue, list, bell, spec, model, priority, tags, max_attempts, summary, key, digest =
    unpack(ARGV, n * FIELDS + 3, n * FIELDS + 15)
  -- The same id again is a repeat of a call whose answer was lost.
  if not ids[n + 1] then
    ids[n + 1] = id
    if redis.call('EXISTS', KEY.job .. id) == 0 then
      local sequence = redis.call('INCR', KEY.sequence)
      redis.call('HSET', KEY.job .. id, 'kind', kind, 'queue', queue, 'spec', spec, 'model', model, 'priority', priority,
        'tags', tags, 'max_attempts', max_attempts, 'summary', summary, 'attempt', 0, 'losses', 0,
        'sequence', sequence, 'submitted_at', now_ms())
      move(id, kind, nil, 'QUEUED', sequence)
      append_event(id, cjson.encode({ type = 'queued', queue = queue }))
      redis.call('LPUSH', list, bell)
      if key ~= '' then
        redis.call('SET', KEY.idempotency .. key, id .. ' ' .. digest, 'EX', lifetime_s)
      end
    end
  end
end
return ids
