-- Moves jobs to a CPU's queue that have waited for a GPU for long, though a CPU would do and one serves that queue.
-- ARGV: how long, ms; silence after which a worker does not count, ms; limit. Answers the ids moved.
local now, silence_ms = now_ms(), tonumber(ARGV[2])
local waiting = redis.call('ZRANGEBYSCORE', KEY.fallback, '-inf', now - tonumber(ARGV[1]), 'LIMIT', 0, tonumber(ARGV[3]))
local served, moved = {}, {}

for _, name in ipairs(#waiting > 0 and redis.call('ZRANGEBYSCORE', KEY.seen, now - silence_ms, '+inf') or {}) do
  local is_json, worker = pcall(cjson.decode, redis.call('HGET', KEY.workers, name) or '')
  for _, queue in ipairs(is_json and type(worker) == 'table' and type(worker.queues) == 'table' and worker.queues or {}) do
    served[queue] = true
  end
end
for _, id in ipairs(waiting) do
  if state_of(id) ~= 'QUEUED' then
    redis.call('ZREM', KEY.fallback, id)
  else
    local queue = 'cpu.' .. string.sub(redis.call('HGET', KEY.job .. id, 'queue'), 5)
    if served[queue] then
      -- Off the one queue, then onto the other: its old message rings in vain or for the same job.
      move(id, 'WAITING')
      redis.call('HSET', KEY.job .. id, 'queue', queue)
      enqueue(id, 'no GPU was free for ' .. math.floor(tonumber(ARGV[1]) / 1000) .. ' s')
      moved[#moved + 1] = id
    end
  end
end
return moved
