-- Moves jobs to a CPU's queue that have waited for a GPU for long, though a CPU would do and one serves that queue.
-- ARGV: how long, ms; silence after which a worker does not count, ms; limit of each queue. Returns the ids moved.
local now, silence_ms = now_ms(), tonumber(ARGV[2])
local reason = 'no GPU was free for ' .. math.floor(tonumber(ARGV[1]) / 1000) .. ' s'
local moved = {}

local function queues_served()
  local served = {}
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEY.seen, now - silence_ms, '+inf')) do
    for _, queue in ipairs(read_worker(redis.call('HGET', KEY.workers, name)).queues) do
      served[queue] = true
    end
  end
  return served
end

local function queue_anew(id, queue)
  -- Off the one queue, then onto the other: its old message rings in vain or for the same job.
  local kind = move(id, 'WAITING')
  redis.call('ZREM', index_of(kind, 'WAITING', redis.call('HGET', KEY.job .. id, 'queue')), id)
  redis.call('HSET', KEY.job .. id, 'queue', queue)
  redis.call('HDEL', KEY.job .. id, 'may_fall_back')
  enqueue(id, reason)
end

-- Whether a job that lacks a worker, or may lack one, has one there.
local function has_worker(id, queue)
  local needs_words, needs = unpack(record(id, 'needs_words', 'needs'))
  if not needs_words and not needs then
    return true
  end
  local _, words = needs_of(id)
  return #able_workers(queue, words) > 0
end

local served = queues_served()
for _, queue in ipairs(QUEUES) do
  local other = string.gsub(queue, '^gpu%.', 'cpu.')
  local waiting = other ~= queue and served[other]
    and redis.call('ZRANGEBYSCORE', KEY.fallback .. queue, '-inf', now - tonumber(ARGV[1]), 'LIMIT', 0, tonumber(ARGV[3]))
  for _, id in ipairs(waiting or {}) do
    if not YET_TO_START[state_of(id)] or redis.call('HGET', KEY.job .. id, 'queue') ~= queue then
      redis.call('ZREM', KEY.fallback .. queue, id)
    elseif has_worker(id, other) then
      queue_anew(id, other)
      moved[#moved + 1] = id
    else
      -- It stands in the way of none behind it, and is looked at again after as long.
      redis.call('ZADD', KEY.fallback .. queue, now, id)
    end
  end
end
return moved
