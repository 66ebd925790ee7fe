-- Takes jobs in: record, index, first event and doorbell of each, or nothing of any.
-- ARGV: how many, the lifetime of idempotency keys in seconds, then for each job
--   id, kind, queue, spec, model, priority, tags, max_attempts, summary, not before (ms, '' for none),
--   after (JSON list of ids), idempotency key ('' for none), digest, traceparent ('' for none), tenant ('' for none)
-- Answers the ids, in order: an older job's where its idempotency key is known;
--   {'conflict', key} if that has another spec; {'missing' or the state it ended in, id} of a job to come after;
--   {'quota', tenant, its jobs that have not started, how many these may be}.
local FIELDS = 15
local jobs, lifetime_s = tonumber(ARGV[1]), tonumber(ARGV[2])
local ids, known, coming, more = {}, {}, {}, {}

for n = 1, jobs do
  local at = 3 + (n - 1) * FIELDS
  local id, after, key, digest = ARGV[at], ARGV[at + 10], ARGV[at + 11], ARGV[at + 12]
  local old = key ~= '' and redis.call('GET', KEY.idempotency .. key)
  if old then
    local old_id, old_digest = string.match(old, '^(%S+) (%S+)$')
    if old_digest ~= digest then
      return { 'conflict', key }
    end
    ids[n], known[n] = old_id, true
  else
    ids[n], known[n] = id, redis.call('EXISTS', KEY.job .. id) == 1
    -- A repeat of a submit whose answer was lost is not judged again by what has happened since.
    for _, first in ipairs(known[n] and {} or cjson.decode(after)) do
      local state = coming[first] or redis.call('HGET', KEY.job .. first, 'state')
      if not state or state == 'FAILED' or state == 'CANCELLED' or state == 'DEAD' then
        return { state or 'missing', first }
      end
    end
  end
  coming[ids[n]] = 'WAITING'
  if not known[n] then
    local tenant = ARGV[at + 14]
    more[tenant] = (more[tenant] or 0) + 1
  end
end

for tenant, added in pairs(more) do
  local most = rule_of(tenant).queued
  local queued = most and count(KEY.queued, tenant)
  if most and queued + added > most then
    return { 'quota', tenant, queued, most }
  end
end

for n = 1, jobs do
  if not known[n] then
    local at = 3 + (n - 1) * FIELDS
    local id, kind, queue, spec, model, priority, tags, max_attempts, summary, not_before, after, key, digest,
      traceparent, tenant = unpack(ARGV, at, at + FIELDS - 1)
    local blockers = 0
    for _, first in ipairs(cjson.decode(after)) do
      if redis.call('HGET', KEY.job .. first, 'state') ~= 'SUCCEEDED' then
        blockers = blockers + redis.call('SADD', KEY.after .. first, id)
      end
    end
    redis.call('HSET', KEY.job .. id, 'kind', kind, 'queue', queue, 'spec', spec, 'model', model, 'priority', priority,
      'tags', tags, 'max_attempts', max_attempts, 'summary', summary, 'attempt', 0, 'losses', 0, 'blockers', blockers,
      'sequence', redis.call('INCR', KEY.sequence), 'submitted_at', now_ms())
    if traceparent ~= '' then
      redis.call('HSET', KEY.job .. id, 'traceparent', traceparent)
    end
    if tenant ~= '' then
      redis.call('HSET', KEY.job .. id, 'tenant', tenant)
    end
    if not_before ~= '' then
      redis.call('HSET', KEY.job .. id, 'not_before', not_before)
    end
    if blockers > 0 or (tonumber(not_before) or 0) > now_ms() then
      move(id, 'WAITING')
      append_event(id, { type = 'waiting', after = blockers > 0 and cjson.decode(after) or nil,
        not_before = tonumber(not_before) })
    end
    if blockers == 0 then
      enqueue_when_due(id, tonumber(not_before), nil)
    end
    if key ~= '' then
      redis.call('SET', KEY.idempotency .. key, id .. ' ' .. digest, 'EX', lifetime_s)
    end
  end
end
return ids
