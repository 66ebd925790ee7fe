-- Jobs that wait for a worker which knows what they need: in a fleet of several versions, a worker that takes the message
-- of a job it does not know gives it back, and the job waits here, beside its queue, in the way of none. What is needed is
-- 'kind <kind>', or 'release <number>' where only a worker of a newer release can read the spec. Each second wake.lua queues
-- as many of them as there are free slots that can run them, one at least: so those workers get them soon, whichever takes
-- the messages, and nobody runs in circles.

local function knows(worker, what, name)
  if what == 'release' then
    return (tonumber(worker.release) or 0) >= tonumber(name)
  end
  for _, kind in ipairs(type(worker.kinds) == 'table' and worker.kinds or {}) do
    if kind == name then
      return true
    end
  end
  return false
end

-- How many live workers of a queue know what is needed, and how many of their slots are free.
local function workers_for(needs)
  local queue, what, name = string.match(needs, '^(%S+) (%S+) (%S+)$')
  local count_workers, free = 0, 0
  for _, known in ipairs(redis.call('ZRANGEBYSCORE', KEY.seen, now_ms() - SILENT_MS, '+inf')) do
    local worker = read_worker(redis.call('HGET', KEY.workers, known))
    for _, served in ipairs(worker.queues) do
      if served == queue and knows(worker, what, name) then
        count_workers = count_workers + 1
        free = free + math.max(0, (tonumber(worker.slots) or 0) - (tonumber(worker.busy) or 0))
      end
    end
  end
  return count_workers, free
end

-- Lets a job wait for a worker that knows what it needs.
local function await_worker(id, what, name)
  local queue, sequence = unpack(record(id, 'queue', 'sequence'))
  local needs = queue .. ' ' .. what .. ' ' .. name
  move(id, 'WAITING')
  redis.call('ZADD', KEY.unserved .. needs, sequence, id)
  redis.call('SADD', KEY.needs, needs)
  local condition = what == 'kind' and 'knows kind ' .. name or 'is of release ' .. name .. ' or newer, which its spec needs'
  local reason = workers_for(needs) == 0 and 'no live worker ' .. condition or 'waits for a worker that ' .. condition
  redis.call('HSET', KEY.job .. id, 'needs', needs, 'reason', reason)
  append_event(id, { type = 'waiting', reason = reason })
end
