-- Queues the jobs whose time has come, the longest overdue first, and those whose worker has: see unserved.lua.
-- ARGV: limit, ISO time. Returns how many.
local limit, iso, woken = tonumber(ARGV[1]), ARGV[2], 0
-- After so long a worker should have taken a message from its mailbox: it may be about to end, or another has a free slot.
local TAKEN_WITHIN_MS = 2000

-- The score of a posted job's message, its queue, and the priority that it has by now; nil if it has no message.
local function message_of_posted(id)
  local seat = seat_of(id)
  if not seat then
    return nil
  end
  local queue, priority, tenant = parts_of(seat)
  local score = tonumber(redis.call('ZSCORE', KEY.rung .. queue .. ':' .. priority, id) or nil)
  return score, queue, risen(priority, redis.call('HGET', KEY.job .. id, 'queued_at'), tenant)
end

local function named(workers, name)
  for _, worker in ipairs(workers) do
    if worker.name == name then
      return worker
    end
  end
end

-- Sees to a job that is in the mailbox of one worker. If that one does not take it, it goes to another as well, a busy one too:
-- whose slot ends first is not known.
local function look_after(id, name)
  local score, queue, priority = message_of_posted(id)
  if state_of(id) ~= 'QUEUED' or not score then
    redis.call('HDEL', KEY.posted, id)
    return
  end
  local _, words = needs_of(id)
  local able = able_workers(queue, words)
  local own, other = named(able, name), roomiest(able)
  local is_late = now_ms() - (tonumber(redis.call('HGET', KEY.job .. id, 'rung_at') or nil) or 0) > TAKEN_WITHIN_MS
  local list, number = message_of(own and own.mailbox or '', score)
  if not own or is_late and redis.call('LLEN', list) == 0 then
    await_worker(id, words)
  elseif is_late and other and other ~= own then
    post(id, other)
  elseif STEP[priority] < (score - number) * 16 then
    post(id, own)
  end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEY.due, '-inf', now_ms(), 'LIMIT', 0, limit)) do
  local state, flaws = examine(id)
  if state == 'WAITING' and next(flaws) then
    condemn(id, flaws, iso)
  elseif state == 'WAITING' then
    enqueue(id, nil)
  else
    redis.call('ZREM', KEY.due, id)
  end
  woken = woken + 1
end
local posted = redis.call('HRANDFIELD', KEY.posted, 200, 'WITHVALUES')
for n = 1, #posted, 2 do
  look_after(posted[n], posted[n + 1])
end
for _, needs in ipairs(redis.call('SRANDMEMBER', KEY.needs, 100)) do
  local able = able_workers(parts_of_needs(needs))
  local worker = roomiest(able)
  while worker and woken < limit do
    local id = redis.call('ZRANGE', KEY.unserved .. needs, 0, 0)[1]
    if not id then
      break
    elseif state_of(id) == 'WAITING' then
      hand_over(id, worker)
      woken = woken + 1
    end
    redis.call('ZREM', KEY.unserved .. needs, id)
    worker = roomiest(able)
  end
  if redis.call('EXISTS', KEY.unserved .. needs) == 0 then
    redis.call('SREM', KEY.needs, needs)
  end
end
return woken
