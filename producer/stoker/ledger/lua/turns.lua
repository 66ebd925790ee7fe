-- Who is next. Of each queue and priority, together a *line*, only a window of jobs have a message; the others are held,
-- by tenant. Whenever a job with a message is claimed or gone, the line's next one gets its message: of the tenant
-- with the fewest seats on that queue for its weight, among equals of the one served longest ago, the job submitted
-- first. A job has a seat from its message to its end: see seats.lua. Shared by the ledger's scripts.

local RAISED = { low = 'normal', normal = 'high' }

-- The priority that a job has by now: with time in the queue it rises.
local function risen(priority, queued_at, tenant)
  if not RAISED[priority] or not tonumber(queued_at or nil) then
    return priority
  end
  local ageing_ms = rule_of(tenant).ageing_ms
  local waited = now_ms() - tonumber(queued_at)
  while RAISED[priority] and waited >= ageing_ms do
    priority, waited = RAISED[priority], waited - ageing_ms
  end
  return priority
end

-- Forgets that a job's message is in the mailbox of one worker; returns whether it was.
local function leave_mailbox(id)
  return redis.call('HEXISTS', KEY.posted, id) == 1 and redis.call('HDEL', KEY.posted, id) == 1
end

-- Sends a message for a queued job, to whoever serves its queue or into one worker's mailbox, and remembers its number and,
-- in sixteenths, the step of its list: see resend.lua, and for mailboxes unserved.lua.
-- `job` is its record, as far as it is needed here, if that was read before.
local function send_message(id, worker, job)
  job = job or fields_of(id, 'kind', 'queue', 'priority', 'tenant', 'summary', 'queued_at')
  local kind, queue, priority, tenant, summary, queued_at =
    job.kind, job.queue, job.priority, job.tenant, job.summary, job.queued_at
  local seat = seat_of(id)
  if seat then
    queue, priority, tenant = parts_of(seat)
  end
  tenant = tenant or ''
  local now_priority = risen(priority, queued_at, tenant)
  local _, number = push_message('stoker.' .. kind, id, worker and worker.mailbox or queue, now_priority, summary or '')
  local line = queue .. ':' .. priority
  redis.call('ZADD', KEY.rung .. line, number + STEP[now_priority] / 16, id)
  redis.call('HSET', KEY.job .. id, 'rung_at', now_ms())
  if worker then
    redis.call('HSET', KEY.posted, id, worker.name)
  end
  if not seat then
    redis.call('HSET', KEY.seats, id, line .. ':' .. tenant)
    redis.call('HINCRBY', KEY.load, line .. ':' .. tenant, 1)
    place(queue, tenant)
  end
end

-- The list and the number of a message, from its score.
local function message_of(queue, score)
  local number = math.floor(score)
  return queue .. SEPARATOR .. (score - number) * 16, number
end

local function hold(id, queue, priority, tenant, sequence)
  local line = queue .. ':' .. priority
  redis.call('ZADD', KEY.held .. line .. ':' .. tenant, sequence, id)
  if not redis.call('ZSCORE', KEY.tenants .. line, tenant) then
    redis.call('ZADD', KEY.tenants .. line, has_enough(line, tenant) and 'inf' or place_of(queue, tenant), tenant)
  end
end

local function leave_if_empty(line, tenant)
  if redis.call('EXISTS', KEY.held .. line .. ':' .. tenant) == 0 then
    redis.call('ZREM', KEY.tenants .. line, tenant)
  end
end

-- Whether a message can be sent for a job; if so, what is needed of its record. A damaged one is left to repair.lua, one of a
-- newer Stoker's queue to that.
local function is_queued(id)
  local job = fields_of(id, 'kind', 'queue', 'priority', 'tenant', 'summary', 'queued_at', 'state')
  if job.state == 'QUEUED' and is_word(job.kind) and QUEUE[job.queue] and STEP[job.priority] then
    return job
  elseif job.state then
    redis.call('SET', KEY.damaged, 1)
  end
  return false
end

-- Rings for the next jobs of a line until its window is full or all who hold jobs have enough.
local function fill(queue, priority)
  if not (QUEUE[queue] and STEP[priority]) or is_paused('queue', queue) then
    return
  end
  local line = queue .. ':' .. priority
  for _ = redis.call('ZCARD', KEY.rung .. line) + 1, window_of(queue) do
    local tenant, score
    repeat
      tenant, score = unpack(redis.call('ZRANGE', KEY.tenants .. line, 0, 0, 'WITHSCORES'))
      if not tenant or score == 'inf' then
        return
      end
      -- Its jobs on other queues may run by now.
      local may = not has_enough(line, tenant)
      if not may then
        redis.call('ZADD', KEY.tenants .. line, 'inf', tenant)
      end
    until may
    local id = redis.call('ZPOPMIN', KEY.held .. line .. ':' .. tenant)[1]
    leave_if_empty(line, tenant)
    local job = id and is_queued(id)
    if job then
      send_message(id, nil, job)
    elseif id and redis.call('EXISTS', KEY.job .. id) == 0 then
      count_down(KEY.queued, tenant)
    end
  end
end

-- Lets a queued job take its turn on its line: at once if there is room and nobody waits.
local function line_up(id, queue, priority, tenant, sequence)
  local line = queue .. ':' .. priority
  if redis.call('EXISTS', KEY.tenants .. line) == 0 and redis.call('ZCARD', KEY.rung .. line) < window_of(queue)
    and not is_paused('queue', queue) and not has_enough(line, tenant) then
    send_message(id)
  else
    hold(id, queue, priority, tenant, sequence)
    fill(queue, priority)
  end
end

-- Takes a job's seat away.
local function vacate(id, seat)
  local queue, priority, tenant = parts_of(seat)
  redis.call('HDEL', KEY.seats, id)
  count_down(KEY.load, seat)
  if redis.call('ZREM', KEY.rung .. queue .. ':' .. priority, id) == 0 then
    count_down(KEY.running, tenant)
  end
  place(queue, tenant)
end

-- A queued job is claimed: its message was heard.
local function note_claimed_message(id, queue, line)
  local score = tonumber(redis.call('ZSCORE', KEY.rung .. line, id) or nil)
  if score then
    local list, number = message_of(queue, score)
    if not leave_mailbox(id) and number > count(KEY.heard, list) then
      redis.call('HSET', KEY.heard, list, number)
    end
    redis.call('ZREM', KEY.rung .. line, id)
  end
end

-- Takes back that a queued job has a message: it is held again, in its place. A message that still comes is dropped.
local function call_back(id, seat)
  local queue, priority, tenant = parts_of(seat)
  leave_mailbox(id)
  redis.call('ZREM', KEY.rung .. queue .. ':' .. priority, id)
  redis.call('HDEL', KEY.seats, id)
  count_down(KEY.load, seat)
  local sequence, turn = unpack(record(id, 'sequence', 'turn'))
  hold(id, queue, priority, tenant, turn or sequence)
end

-- Whether a job may be claimed: not while it is held. If its tenant has enough, or it is paused, it is held from now on.
local function may_start(id)
  local seat = seat_of(id)
  if not seat then
    local queue, priority, tenant = unpack(record(id, 'queue', 'priority', 'tenant'))
    return not redis.call('ZSCORE', KEY.held .. queue .. ':' .. priority .. ':' .. (tenant or ''), id)
  end
  local queue, priority, tenant = parts_of(seat)
  local most = rule_of(tenant).running
  local is_open = not is_paused('queue', queue) and not is_paused('tenant', tenant)
  if is_open and (not most or count(KEY.running, tenant) < most) then
    return true
  end
  note_claimed_message(id, queue, queue .. ':' .. priority)
  call_back(id, seat)
  fill(queue, priority)
  return false
end

-- A job leaves the queue to run. It keeps its seat.
local function start(id)
  local seat = seat_of(id)
  if not seat then
    -- Something else has written the record, and the message too.
    local queue, priority, tenant = unpack(record(id, 'queue', 'priority', 'tenant'))
    seat = queue .. ':' .. priority .. ':' .. (tenant or '')
    redis.call('HSET', KEY.seats, id, seat)
    redis.call('HINCRBY', KEY.load, seat, 1)
  end
  local queue, priority, tenant = parts_of(seat)
  redis.call('HINCRBY', KEY.running, tenant, 1)
  note_claimed_message(id, queue, queue .. ':' .. priority)
  fill(queue, priority)
end

local function fill_all(queue)
  for _, priority in ipairs(RANKED) do
    fill(queue, priority)
  end
end

-- A queued job is gone: its message, if it has one, will be dropped.
local function withdraw(id)
  leave_mailbox(id)
  local seat = seat_of(id)
  if seat then
    vacate(id, seat)
    local queue, priority = parts_of(seat)
    fill(queue, priority)
    return
  end
  local queue, priority, tenant = unpack(record(id, 'queue', 'priority', 'tenant'))
  local line = queue .. ':' .. priority
  redis.call('ZREM', KEY.held .. line .. ':' .. (tenant or ''), id)
  leave_if_empty(line, tenant or '')
end

-- A job runs no longer. If its tenant had enough until now, the next of its jobs gets its message, on whichever queue.
local function stop(id)
  local seat = seat_of(id)
  if not seat then
    return
  end
  local own, _, tenant = parts_of(seat)
  local most = rule_of(tenant).running
  local had_enough = most and count(KEY.running, tenant) >= most
  vacate(id, seat)
  for _, queue in ipairs(most and QUEUES or {}) do
    if had_enough or queue == own then
      place(queue, tenant)
      fill_all(queue)
    end
  end
end

-- Makes windows twice as wide as there are slots: so many jobs wait at most for another tenant's turn, and slots find a
-- message although some messages are lost.
local function fit_windows()
  local slots = {}
  for _, description in ipairs(redis.call('HVALS', KEY.workers)) do
    local worker = read_worker(description)
    for _, queue in ipairs(worker.queues) do
      slots[queue] = (slots[queue] or 0) + (tonumber(worker.slots) or 0)
    end
  end
  for _, queue in ipairs(QUEUES) do
    if slots[queue] then
      redis.call('HSET', KEY.windows, queue, math.max(4, 2 * slots[queue]))
    else
      redis.call('HDEL', KEY.windows, queue)
    end
  end
  windows = {}
end

-- Takes the seats away of jobs that something else has ended. Looks at `limit` seats, at random.
local function check_seats(limit)
  for _, id in ipairs(redis.call('HRANDFIELD', KEY.seats, limit)) do
    local state = redis.pcall('HGET', KEY.job .. id, 'state')
    if state ~= 'QUEUED' and state ~= 'RUNNING' then
      local seat = seat_of(id)
      local queue, priority, tenant = parts_of(seat or '')
      if not seat then
        return
      elseif not redis.call('ZSCORE', KEY.rung .. queue .. ':' .. priority, id) then
        stop(id)
      else
        vacate(id, seat)
        fill(queue, priority)
        if not state then
          count_down(KEY.queued, tenant)
        end
      end
    end
  end
end
