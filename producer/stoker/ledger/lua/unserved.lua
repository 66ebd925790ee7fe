-- Jobs that wait for a worker which has what they need, in a fleet of several versions, images or machines. Needs are words:
-- `kind:<kind>`; `release:<number>`, where only a worker of such a release can read the spec; its resources, such as
-- `memory:<bytes>`; and what its record lists in `needs_words` (see kinds/needs.py). A worker that takes the message of a job
-- and lacks one of them gives it back. The job then goes into the mailbox of a worker that has them all: a Celery queue which
-- that one alone serves. A worker gets as many as it has free slots, and one at least, for its slots may never be free by
-- themselves. If no worker can take it, the job waits here, beside its queue, in the way of none: each second wake.lua looks
-- for one. So nobody runs in circles, and the job goes where it can run as soon as that is possible.

-- By word: of what a worker must have so much, and what one that does not say so has.
local AT_LEAST = { release = { 'release', 0 }, memory = { 'memory_bytes', math.huge }, cpus = { 'cpus', math.huge },
  gpu_memory = { 'gpu_memory_bytes', math.huge } }
local PHRASES = { kind = 'knows kind %s', release = 'is of release %s or newer, which its spec needs',
  memory = 'has memory of %s bytes', cpus = 'has %s cores', gpu_memory = 'has GPU memory of %s bytes',
  ['function'] = 'allows function %s', module = 'has module %s', label = 'has label %s' }

local function entries(value)
  return type(value) == 'table' and value or {}
end

local function parts_of_word(word)
  return string.match(word, '^([%l_]+):(.*)$')
end

-- Notes what a worker offers: words, and beginnings of words.
local function with_offers(worker, kinds, offers)
  worker.has, worker.beginnings = {}, {}
  for _, kind in ipairs(kinds) do
    worker.has['kind:' .. tostring(kind)] = true
  end
  for _, offer in ipairs(offers) do
    if type(offer) == 'string' and string.sub(offer, -1) == '*' then
      table.insert(worker.beginnings, string.sub(offer, 1, -2))
    else
      worker.has[offer] = true
    end
  end
  return worker
end

local function has_word(worker, word)
  local what, value = parts_of_word(word)
  if AT_LEAST[what] then
    local field, default = unpack(AT_LEAST[what])
    return (tonumber(worker[field] or nil) or default) >= (tonumber(value) or 0)
  elseif worker.has[word] then
    return true
  end
  for _, beginning in ipairs(worker.beginnings) do
    if string.sub(word, 1, #beginning) == beginning then
      return true
    end
  end
  return false
end

-- Those of some words that a worker does not have.
local function lacking(worker, words)
  local lacks = {}
  for _, word in ipairs(words) do
    if not has_word(worker, word) then
      lacks[#lacks + 1] = word
    end
  end
  return lacks
end

-- What a worker is good for, in words.
local function condition(words)
  local phrases = {}
  for n, word in ipairs(words) do
    local what, value = parts_of_word(word)
    phrases[n] = PHRASES[what] and string.format(PHRASES[what], value) or 'offers ' .. word
  end
  return table.concat(phrases, ' and ')
end

-- Whether something is away that a worker needs for any job.
local function is_away(worker)
  for _, outage in ipairs(entries(worker.outages)) do
    if type(outage) == 'table' and outage.of ~= 'results' then
      return true
    end
  end
  return false
end

-- The live workers that have mailboxes, with how many messages wait there, and how many free slots that leaves.
local live
local function live_workers()
  if live then
    return live
  end
  live = {}
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEY.seen, now_ms() - SILENT_MS, '+inf')) do
    local worker = read_worker(redis.call('HGET', KEY.workers, name))
    if type(worker.mailbox) == 'string' and worker.mailbox ~= '' then
      worker.name, worker.waiting = name, 0
      for _, step in pairs(STEP) do
        worker.waiting = worker.waiting + redis.call('LLEN', worker.mailbox .. SEPARATOR .. step)
      end
      worker.free = (tonumber(worker.slots) or 0) - (tonumber(worker.busy) or 0) - worker.waiting
      live[#live + 1] = with_offers(worker, entries(worker.kinds), entries(worker.offers))
    end
  end
  return live
end

-- The live workers of a queue that have all of some words.
local function able_workers(queue, words)
  local able = {}
  for _, worker in ipairs(live_workers()) do
    for _, served in ipairs(worker.queues) do
      if served == queue and #lacking(worker, words) == 0 then
        able[#able + 1] = worker
      end
    end
  end
  return able
end

-- The one of some workers that may get another message and has the most free slots; nil if there is none.
local function roomiest(workers)
  local best
  for _, worker in ipairs(workers) do
    if (worker.free > 0 or worker.waiting == 0) and not is_away(worker) and (not best or worker.free > best.free) then
      best = worker
    end
  end
  return best
end

local function words_in(text)
  local words = {}
  for word in string.gmatch(text or '', '%S+') do
    words[#words + 1] = word
  end
  return words
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
  append_event(id, { type = 'queued', queue = queue, reason = 'for ' .. worker.name .. ', which can run it' })
end

-- Puts a waiting job into the mailbox of a worker. One whose tenant has enough of its queue takes its turn there again first.
local function hand_over(id, worker)
  local queue, priority, tenant, may_fall_back = unpack(record(id, 'queue', 'priority', 'tenant', 'may_fall_back'))
  if not (QUEUE[queue] and STEP[priority]) or has_enough(queue .. ':' .. priority, tenant or '') then
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

-- Gives a job to a worker that has what it needs, at once or when there is one that can take it.
local function await_worker(id, lacked)
  local queue, words = needs_of(id)
  local able = able_workers(queue, words)
  local worker = roomiest(able)
  -- It has had its turn, and keeps its seat: else another job of its tenant's would take that, and lose it in the same way.
  if worker and redis.call('HGET', KEY.job .. id, 'state') == 'QUEUED' and seat_of(id) then
    tell_of(id, worker, queue)
    return post(id, worker)
  end
  local reason = reason_to_wait(queue, words, lacked, #able > 0)
  local needs = queue .. ' ' .. table.concat(words, ' ')
  move(id, 'WAITING')
  redis.call('ZADD', KEY.unserved .. needs, redis.call('HGET', KEY.job .. id, 'sequence'), id)
  redis.call('SADD', KEY.needs, needs)
  redis.call('HSET', KEY.job .. id, 'needs', needs, 'reason', reason)
  append_event(id, { type = 'waiting', reason = reason })
  if worker then
    hand_over(id, worker)
  end
end
