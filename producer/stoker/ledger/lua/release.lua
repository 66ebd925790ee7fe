-- Hands a running job back. A drained one costs nothing, and a paused one then waits; one that ran out of memory makes do with
-- less or gets more; one that met an outage waits for its end; one whose spec only a newer release can read waits for a worker
-- of it; one that needs words which the worker lacks waits for a worker that has them; a lost one counts towards max_attempts
-- and waits a little, but not at its first loss with its worker or slot, which says nothing about the job.
-- ARGV: id, owner, 'drained', 'outgrown', 'outage', 'unknown' (to this release), 'lacking', 'lost', 'expired' (lost with its
--   worker, if its lease has run out) or 'died' (lost with its slot; the owner is only what those of that slot begin with),
--   reason, ISO time, bytes that one gets which outgrew its slot, what is away in an outage, words that it needs, bytes that
--   its GPU must have, by which memory plan it runs (0 for what stays)
-- Returns the job's new state, or 'taken' (the attempt is no longer the job's; nothing was written).
local id, owner, why, reason, iso = unpack(ARGV)
local holder, lease_until, cancel, max_attempts, release, paused, attempt =
  unpack(record(id, 'owner', 'lease_until', 'cancel', 'max_attempts', 'release', 'paused', 'attempt'))
local LONGEST_BACKOFF_MS = 300000

-- Adds words to those that a job needs. Returns those that are new.
local function need(words)
  local all, known, new = words_in(redis.call('HGET', KEY.job .. id, 'needs_words')), {}, {}
  for _, word in ipairs(all) do
    known[word] = true
  end
  for _, word in ipairs(words) do
    if not known[word] then
      new[#new + 1], all[#all + 1] = word, word
    end
  end
  redis.call('HSET', KEY.job .. id, 'needs_words', table.concat(all, ' '))
  return new
end

-- Writes the end of the attempt. Returns the job's new state.
local function hand_back()
  if why ~= 'outage' then
    redis.call('HDEL', KEY.job .. id, 'outage')
  end
  if cancel then
    finish(id, 'CANCELLED', { reason = 'cancelled while it ran' }, iso)
    return 'CANCELLED'
  end
  local lacked = {}
  if why == 'unknown' then
    redis.call('HSET', KEY.job .. id, 'needs_release', release)
    lacked = { 'release:' .. release }
  elseif why == 'lacking' then
    -- None is new if a worker was known to have them and says that it has not: then the job must not go round for ever.
    lacked = need(words_in(ARGV[8]))
  end
  if #lacked > 0 then
    await_worker(id, lacked)
    return redis.call('HGET', KEY.job .. id, 'state')
  end
  if why == 'outgrown' then
    if ARGV[6] ~= '0' then
      redis.call('HSET', KEY.job .. id, 'memory', ARGV[6], 'outgrown', 1)
    end
    if ARGV[9] ~= '0' then
      redis.call('HSET', KEY.job .. id, 'gpu_memory', ARGV[9], 'outgrown', 1)
    end
    if ARGV[10] ~= '0' then
      redis.call('HSET', KEY.job .. id, 'memory_plan', ARGV[10])
    end
  end
  if why == 'drained' or why == 'outgrown' then
    if paused and why == 'drained' then
      why, reason = 'paused', 'paused'
    end
    remember_attempt(id, why, reason)
    enqueue(id, reason)
    return paused and 'WAITING' or 'QUEUED'
  end
  if why == 'outage' then
    remember_attempt(id, why, reason)
    await_outage(id, ARGV[7], reason)
    return 'WAITING'
  end
  local losses = redis.call('HINCRBY', KEY.job .. id, 'losses', 1)
  if losses >= (tonumber(max_attempts or nil) or 1) then
    finish(id, 'DEAD', { reason = 'gave up after ' .. losses .. ' lost workers; the last: ' .. reason }, iso)
    return 'DEAD'
  end
  remember_attempt(id, 'lost', reason)
  -- A job that has got further since the last loss is not what kills its workers.
  local setbacks = redis.call('HINCRBY', KEY.job .. id, 'setbacks', 1)
  if setbacks == 1 and (why == 'expired' or why == 'died') then
    enqueue(id, reason)
    return paused and 'WAITING' or 'QUEUED'
  end
  wait_until(id, now_ms() + math.min(1000 * 2 ^ (setbacks - 1), LONGEST_BACKOFF_MS), reason)
  return 'WAITING'
end

local is_holders = holder == owner or why == 'died' and string.sub(holder or '', 1, #owner) == owner
if not is_holders or (why == 'expired' and (tonumber(lease_until or nil) or 0) > now_ms()) then
  return 'taken'
end
local state = hand_back()
if YET_TO_START[state] then
  store_celery_retry(id, attempt or 0, reason)
end
return state
