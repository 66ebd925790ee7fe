-- Jobs that wait for a worker which has what they need, in a fleet of several versions, images or machines. Needs are words:
-- `kind:<kind>`; `release:<number>`, where only a worker of such a release can read the spec; its resources, such as
-- `memory:<bytes>`; and what its record lists in `needs_words` (see kinds/needs.py). A worker that takes the message of a job
-- and lacks one of them gives it back. The job then goes into the mailbox of a worker that has them all: a Celery queue which
-- that one alone serves. A worker gets as many as it has free slots, and one at least, for its slots may never be free by
-- themselves. If no worker can take it, the job waits here, beside its queue, in the way of none: each second wake.lua looks
-- for one. So nobody runs in circles, and the job goes where it can run as soon as that is possible. See also able.lua,
-- and decision 27.

local function words_in(text)
  local words = {}
  for word in string.gmatch(text or '', '%S+') do
    words[#words + 1] = word
  end
  return words
end

-- The queue and the words of jobs that wait for the same, from the entry of theirs under KEY.needs.
local function parts_of_needs(needs)
  local queue, words = string.match(needs, '^(%S+) (.+)$')
  return queue, words_in(words)
end

-- The queue of a job, and all that it needs.
local function needs_of(id)
  local queue, kind, listed, release, memory, cpus, gpu_memory =
    unpack(record(id, 'queue', 'kind', 'needs_words', 'needs_release', 'memory', 'cpus', 'gpu_memory'))
  local words = { 'kind:' .. kind }
  local amounts = { { 'release', release }, { 'memory', memory }, { 'cpus', cpus }, { 'gpu_memory', gpu_memory } }
  for _, amount in ipairs(amounts) do
    if amount[2] then
      words[#words + 1] = amount[1] .. ':' .. amount[2]
    end
  end
  for _, word in ipairs(words_in(listed)) do
    words[#words + 1] = word
  end
  return queue, words
end

-- Puts a queued job into the mailbox of a worker.
local function post(id, worker)
  send_message(id, worker)
  worker.waiting, worker.free = worker.waiting + 1, worker.free - 1
end

-- Tells that a job goes to a worker.
local function tell_of(id, worker, queue)
  -- A step of a job that goes on with each of its children, or that has waited, is no event.
  local awaits_child, awaits_wake = unpack(record(id, 'awaits_child', 'awaits_wake'))
  if not (awaits_child or awaits_wake) then
    append_event(id, { type = 'queued', queue = queue, reason = 'for ' .. worker.name .. ', which can run it' })
  end
end

-- Puts a waiting job into the mailbox of a worker. One that is held, for what is paused or because its tenant has
-- enough of its queue, takes its turn there again first.
local function hand_over(id, worker)
  local queue, priority, tenant, may_fall_back, paused =
    unpack(record(id, 'queue', 'priority', 'tenant', 'may_fall_back', 'paused'))
  if paused or not (QUEUE[queue] and STEP[priority]) or is_paused('queue', queue)
    or has_enough(queue .. ':' .. priority, tenant or '') then
    return enqueue(id, nil)
  end
  move(id, 'QUEUED')
  redis.call('HSET', KEY.job .. id, 'queued_at', now_ms())
  tell_of(id, worker, queue)
  if may_fall_back then
    redis.call('ZADD', KEY.fallback .. queue, now_ms(), id)
  end
  post(id, worker)
end

-- Why a job waits: what no worker of its queue has of what one lacked; or all that it needs, if several have a part each.
local function reason_to_wait(queue, words, lacked, is_served)
  if is_served then
    return 'waits for a worker that ' .. condition(lacked)
  end
  local nobodys = {}
  for _, word in ipairs(lacked) do
    if #able_workers(queue, { word }) == 0 then
      nobodys[#nobodys + 1] = word
    end
  end
  return 'no live worker ' .. condition(#nobodys > 0 and nobodys or words)
end

-- Where a job stands among those that wait for the same: by time, as if it had come later for each step that its priority
-- has to rise, so that it overtakes as it would on its queue. Those of one moment follow each other as they were submitted.
local RISES = { high = 0, normal = 1, low = 2 }
local function place_among_waiting(id)
  local queued_at, priority, sequence = unpack(record(id, 'queued_at', 'priority', 'sequence'))
  local since = tonumber(queued_at or nil) or now_ms()
  return since + (RISES[priority] or 1) * rule_of('').ageing_ms + (tonumber(sequence) % 1024) / 1024
end

-- Gives a job to a worker that has what it needs, at once or when there is one that can take it.
local function await_worker(id, lacked)
  local queue, words = needs_of(id)
  local able = able_workers(queue, words)
  local worker, may_fall_back = roomiest(able), redis.call('HEXISTS', KEY.job .. id, 'may_fall_back') == 1
  -- It has had its turn, and keeps its seat: else another job of its tenant's would take that, and lose it in the same way.
  if worker and redis.call('HGET', KEY.job .. id, 'state') == 'QUEUED' and seat_of(id) then
    tell_of(id, worker, queue)
    return post(id, worker)
  end
  local reason = reason_to_wait(queue, words, lacked, #able > 0)
  local needs = queue .. ' ' .. table.concat(words, ' ')
  move(id, 'WAITING')
  redis.call('ZADD', KEY.unserved .. needs, place_among_waiting(id), id)
  redis.call('SADD', KEY.needs, needs)
  redis.call('HSET', KEY.job .. id, 'needs', needs, 'reason', reason)
  append_event(id, { type = 'waiting', reason = reason })
  if may_fall_back then
    redis.call('ZADD', KEY.fallback .. queue, now_ms(), id)
  end
  if worker then
    hand_over(id, worker)
  end
end
