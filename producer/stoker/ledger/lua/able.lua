-- Which live workers have what a job or a lane needs. Needs are words: see unserved.lua.

-- By word: of what a worker must have so much, and what one that does not say so has.
local AT_LEAST = { release = { 'release', 0 }, memory = { 'memory_bytes', math.huge }, cpus = { 'cpus', math.huge },
  gpu_memory = { 'gpu_memory_bytes', math.huge } }
local PHRASES = { kind = 'knows kind %s', release = 'is of release %s or newer, which its spec needs',
  memory = 'has memory of %s bytes', cpus = 'has %s cores', gpu_memory = 'has GPU memory of %s bytes',
  ['function'] = 'allows function %s', module = 'has module %s', package = 'has package %s',
  label = 'has label %s' }

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
    local beginning = string.match(tostring(offer), '^(.*)%*$')
    if beginning then
      table.insert(worker.beginnings, beginning)
    else
      worker.has[tostring(offer)] = true
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
      worker.slots = tonumber(worker.slots) or 0
      worker.free = worker.slots - (tonumber(worker.busy) or 0) - worker.waiting
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
    local may = worker.free > 0 or worker.slots > 0 and worker.waiting == 0
    if may and not is_away(worker) and (not best or worker.free > best.free) then
      best = worker
    end
  end
  return best
end
