-- Run by the results' own Redis, alone: stores a job's state as Celery does, unless a newer one stands there. A copier that
-- stood still, or dies behind this, so takes nothing back. ARGV: key, state (JSON), seconds to keep it
local YET_TO_END = { STARTED = 0, RETRY = 1 }

-- How far a state is, and of which attempt it is.
local function read(state)
  local status, attempt = string.match(state, '^{"status":"(%u+)"'), string.match(state, '"attempt":(%d+)}$')
  return YET_TO_END[status] or 2, tonumber(attempt) or 0
end

local held = redis.call('GET', ARGV[1])
local stage, attempt = read(ARGV[2])
if held then
  local held_stage, held_attempt = read(held)
  local is_older = held_attempt > attempt or held_attempt == attempt and held_stage > stage
  -- An end replaces all that is none, whatever its attempt: a damaged record has lost the number of that.
  if is_older and not (stage == 2 and held_stage < 2) then
    return
  end
end
redis.call('SET', ARGV[1], ARGV[2], 'EX', ARGV[3])
redis.call('PUBLISH', ARGV[1], ARGV[2])
