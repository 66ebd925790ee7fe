-- The autoscaler's input: what a fleet has to do at one moment.
-- ARGV: device; of how many jobs of a kind to read the record; kind, its queue, …
-- Returns JSON: `at` (ms); `oldest_ms` (how long the first of the jobs that may start has been queued); by kind `jobs`
-- (QUEUED, or WAITING for a busy worker that has what they need), `queued` (slots that those of them need whose tenants may
-- have more running), `started` (ever), `service_ms` (mean, for none 0) and `alike` {{likeness, slots} …} of queued ones that
-- stand for all; `running` {count (slots), seen: {{kind, elapsed_ms, likeness} …}}, with '' for an unknown likeness; `paused`, how many jobs are held because their queue or tenant is paused; `widest`, the most slots that
-- one job needs at once. Jobs are counted exactly; how wide they are, and for how long they run, is read from so many.
local device, most, now = ARGV[1], tonumber(ARGV[2]), now_ms()
local widest, oldest, seen = 0, 0, {}

-- How many jobs an index has, and some of them.
local function look(index)
  if type_of(index) ~= 'zset' then
    return 0, {}
  end
  local count = redis.call('ZCARD', index)
  return count, count <= most and redis.call('ZRANGE', index, 0, -1) or redis.call('ZRANDMEMBER', index, most)
end

-- How many slots a job needs at once, and what it has in common with others.
local function width(id)
  local fields = redis.pcall('HMGET', KEY.job .. id, 'slots', 'likeness')
  local wide = math.max(1, math.floor(not fields.err and tonumber(fields[1] or nil) or 1))
  widest = math.max(widest, wide)
  return wide, not fields.err and fields[2] or ''
end

-- Of some jobs how many slots each needs on average; and by likeness, how many all.
local function mean_width(ids)
  local slots, alike = 0, {}
  for _, id in ipairs(ids) do
    local wide, likeness = width(id)
    slots, alike[likeness] = slots + wide, (alike[likeness] or 0) + wide
  end
  return #ids > 0 and slots / #ids or 0, alike
end

local function as_pairs(counts)
  local pairs_of = {}
  for name, count in pairs(counts) do
    pairs_of[#pairs_of + 1] = { name, count }
  end
  return #pairs_of > 0 and pairs_of or nil
end

-- The share of a queue's jobs that more slots would help: they are not paused, and their tenants have less than they may.
local shares, paused = {}, 0
local function may_start(queue)
  if not shares[queue] then
    local counted = census(queue)
    oldest, paused = math.max(oldest, counted.oldest_ms), paused + counted.paused
    shares[queue] = 1 - (counted.over_quota + counted.paused) / math.max(1, counted.jobs)
  end
  return shares[queue]
end

local function age(id, field)
  local since = redis.pcall('HGET', KEY.job .. id, field)
  return math.max(0, now - (type(since) == 'string' and tonumber(since) or now))
end

-- By kind, how many jobs wait for a worker of this fleet that is busy, and how many slots they need: see unserved.lua. What
-- no worker has is left out, for more of the same would start none of those that wait for it.
local waiting = {}
for _, needs in ipairs(redis.call('SRANDMEMBER', KEY.needs, most)) do
  local queue, words = parts_of_needs(needs)
  local kind = string.match(needs, ' kind:(%S+)')
  if kind and device_of(queue) == device and not is_paused('queue', queue) and #able_workers(queue, words) > 0 then
    local count, ids = look(KEY.unserved .. needs)
    local before = waiting[kind] or { jobs = 0, slots = 0 }
    waiting[kind] = { jobs = before.jobs + count, slots = before.slots + count * mean_width(ids) }
    for _, id in ipairs(ids) do
      oldest = math.max(oldest, age(id, 'queued_at'))
    end
  end
end

local answer = { at = now, kinds = {} }
local running = 0
for n = 3, #ARGV, 2 do
  local kind, queue = ARGV[n], ARGV[n + 1]
  local count, ids = look(index_of(kind, 'QUEUED', queue))
  local share = may_start(queue)
  local wide, alike = mean_width(ids)
  local mean, started = unpack(redis.call('HMGET', KEY.service, device .. ' ' .. kind, 'started ' .. device .. ' ' .. kind))
  local beside = waiting[kind] or { jobs = 0, slots = 0 }
  answer.kinds[kind] = {
    jobs = count + beside.jobs,
    queued = math.floor((share > 0 and count * share * wide or 0) + beside.slots + 0.5),
    started = tonumber(started or nil) or 0,
    service_ms = tonumber(string.match(mean or '', '^(%S+)') or nil) or 0,
    alike = as_pairs(alike),
  }
  local at_work, some = look(index_of(kind, 'RUNNING', queue))
  running = running + math.floor(at_work * mean_width(some) + 0.5)
  for _, id in ipairs(some) do
    local _, likeness = width(id)
    seen[#seen + 1] = { kind, age(id, 'started_at'), likeness }
  end
end
answer.oldest_ms = oldest
answer.running = { count = running, seen = #seen > 0 and seen or nil }
answer.widest = widest
answer.paused = paused
return cjson.encode(answer)
