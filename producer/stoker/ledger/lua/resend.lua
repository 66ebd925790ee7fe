-- Sends new messages for queued jobs whose message must be lost, and for those whose priority has risen. Messages of one
-- list are taken in the order they were sent: a job is suspect when a later message of its list has led to a claim, or when
-- the list is empty. It gets some time first, because a worker may have the message in hand; one too many does no harm.
-- ARGV: time a message may be under way, ms; queue, priority, queue, priority …
-- Returns the ids whose message was lost.
local patience_ms, now = tonumber(ARGV[1]), now_ms()
local lost, newest = {}, {}

-- The number of the newest message of a list that must be gone.
local function newest_gone(list)
  newest[list] = newest[list] or (redis.call('LLEN', list) == 0 and math.huge or count(KEY.heard, list))
  return newest[list]
end

local function check(id, score, queue, priority)
  -- What is in a mailbox is looked after by wake.lua.
  if redis.call('HEXISTS', KEY.posted, id) == 1 then
    return
  end
  local list, number = message_of(queue, score)
  if number <= newest_gone(list) then
    if state_of(id) ~= 'QUEUED' then
      local seat = seat_of(id)
      if seat then
        vacate(id, seat)
      end
      redis.call('ZREM', KEY.rung .. queue .. ':' .. priority, id)
    elseif now - (tonumber(redis.call('HGET', KEY.job .. id, 'rung_at') or nil) or 0) > patience_ms then
      send_message(id)
      lost[#lost + 1] = id
    end
  elseif RAISED[priority] then
    local queued_at = redis.pcall('HGET', KEY.job .. id, 'queued_at')
    local is_time = type(queued_at) == 'string' and tonumber(queued_at)
    if is_time and list ~= queue .. SEPARATOR .. STEP[risen(priority, queued_at, '')] and state_of(id) == 'QUEUED' then
      send_message(id)
    end
  end
end

fit_windows()
for n = 2, #ARGV, 2 do
  local queue, priority = ARGV[n], ARGV[n + 1]
  local sent = redis.call('ZRANGE', KEY.rung .. queue .. ':' .. priority, 0, -1, 'WITHSCORES')
  for m = 1, #sent, 2 do
    check(sent[m], tonumber(sent[m + 1]), queue, priority)
  end
  fill(queue, priority)
end
check_seats(20)
return lost
