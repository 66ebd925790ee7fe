-- Run by the results' own Redis, alone: stores a job's state as Celery does, unless a newer one stands there. A copier that
-- stood still, or dies behind this, so takes nothing back. ARGV: key, state (JSON), seconds to keep it
local function read(state)
  return string.match(state, '^{"status":"STARTED"') == nil, tonumber(string.match(state, '"attempt":(%d+)}$')) or 0
end

local held = redis.call('GET', ARGV[1])
local has_ended, attempt = read(ARGV[2])
if held then
  local had_ended, held_attempt = read(held)
  if had_ended and (held_attempt > attempt or held_attempt == attempt and not has_ended) then
    return
  elseif not had_ended and not has_ended and held_attempt > attempt then
    return
  end
end
redis.call('SET', ARGV[1], ARGV[2], 'EX', ARGV[3])
redis.call('PUBLISH', ARGV[1], ARGV[2])
