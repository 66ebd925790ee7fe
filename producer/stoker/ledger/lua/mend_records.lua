-- Mends jobs: what they wait for, their ends, and their records as a whole. A part of repair.lua.

-- Where a job stands that another comes after: 'open', 'newer' (in a newer Stoker's state), the state other than SUCCEEDED
-- that it ended in, 'gone', or nil if it succeeded. One that does not succeed cancels those behind it in that step: what
-- is no more had succeeded, unless some are still noted to come after it.
local function standing_of(first, id)
  local state = redis.call('HGET', KEY.job .. first, 'state')
  if not state and redis.call('EXISTS', KEY.job .. first) == 0 then
    return redis.call('SISMEMBER', KEY.after .. first, id) == 1 and 'gone' or nil
  elseif IS_FINAL[state] then
    return state ~= 'SUCCEEDED' and state or nil
  end
  return is_state(state) and not IS_STATE[state] and 'newer' or 'open'
end

-- Reads whom a job comes after anew, and waits for those that have not ended. Returns how many those are, nil if only a
-- newer Stoker knows; and why the job is to be cancelled.
local function mend_blockers(id)
  local blockers, after = unpack(record(id, 'blockers', 'after'))
  local open, reason = 0, nil
  for first in string.gmatch(after or '', '%S+') do
    local standing = standing_of(first, id)
    if standing == 'newer' then
      return nil
    elseif standing == 'open' then
      open = open + 1
      if redis.call('SADD', KEY.after .. first, id) == 1 then
        mended(id, 'job ' .. first .. ' did not know that it comes after')
      end
    elseif standing then
      reason = 'job ' .. first .. ', which it comes after, is ' .. standing
    end
  end
  blockers = tonumber(blockers or nil) or 0
  if blockers ~= open then
    redis.call('HSET', KEY.job .. id, 'blockers', open)
  end
  return open, blockers > 0 and reason or nil
end

-- A job that waits for children is queued again with the last of them.
local function mend_children(id)
  local open, lost = 0, nil
  for _, child in ipairs(redis.call('HKEYS', KEY.children .. id)) do
    local state = is_child_of(id, child) and redis.call('HGET', KEY.job .. child, 'state')
    if state and not IS_FINAL[state] then
      open = open + 1
    elseif is_child_of(id, child) and redis.call('HGET', KEY.children .. id, child) == '' then
      local result = redis.call('HGET', KEY.job .. child, 'result')
      if result then
        redis.call('HSET', KEY.children .. id, child, result)
        mended(id, 'the result of a job that it waits for was missing')
      else
        lost = child
      end
    end
  end
  if lost then
    mended(id, 'a job that it waits for is lost')
    finish(id, 'FAILED', { reason = 'job ' .. lost .. ', which it has asked for, is lost' }, iso)
  elseif open == 0 and redis.call('HEXISTS', KEY.job .. id, 'paused') == 0 then
    mended(id, 'it waited for jobs that had all ended')
    enqueue(id, nil)
  elseif open ~= tonumber(redis.call('HGET', KEY.job .. id, 'open_children') or nil) then
    redis.call('HSET', KEY.job .. id, 'open_children', open)
    mended(id, 'it did not know how many of its jobs were open')
  end
end

-- What the job has not noted of a child, as if that had ended now; nil if its record is lost.
local function end_of_child(child)
  local job = read_job(child)
  return IS_FINAL[job.state] and child_as_seen(child, job.state, job.reason, run_ms_of(child), job.spec, job.result)
end

-- A job that goes on with each of its children is queued again with the next that ends; one that waits may have none.
local function mend_each_child(id, awaits_wake)
  local open, fields = 0, redis.call('HGETALL', KEY.children .. id)
  for n = 1, #fields, 2 do
    local child, noted = fields[n], fields[n + 1]
    local state = noted == '' and is_child_of(id, child) and redis.call('HGET', KEY.job .. child, 'state')
    if state and not IS_FINAL[state] then
      open = open + 1
    elseif noted == '' then
      local seen = is_child_of(id, child) and end_of_child(child)
      if seen then
        redis.call('HSET', KEY.children .. id, child, seen)
      else
        redis.call('HDEL', KEY.children .. id, child)
      end
      redis.call('HINCRBY', KEY.job .. id, 'children_news', 1)
      mended(id, 'it did not know that a job which it has asked for ' .. (seen and 'has ended' or 'is lost'))
    end
  end
  local known, news, paused = unpack(record(id, 'open_children', 'children_news', 'paused'))
  if open ~= tonumber(known or nil) then
    redis.call('HSET', KEY.job .. id, 'open_children', open)
    mended(id, 'it did not know how many of its jobs were open')
  end
  if (open == 0 and not awaits_wake or news) and not paused then
    mended(id, 'it waited, and one of its jobs had ended')
    enqueue(id, nil)
  end
end

-- A job that waits for a time, or to be woken, goes on when that has come.
local function mend_wait(id, is_woken, wake_at, paused)
  if not is_woken and redis.call('HEXISTS', KEY.job .. id, 'wakes_each') == 1 then
    mend_each_child(id, true)
  elseif is_woken and not paused then
    mended(id, 'it waited, and had been woken')
    enqueue(id)
  end
  if wake_at and not is_woken and redis.call('HGET', KEY.job .. id, 'state') == 'WAITING' then
    mended(id, 'it waited for a time, and was in no index of those')
    redis.call('ZADD', KEY.due, wake_at, id)
  end
end

-- A controller goes on with it while it waits.
local function mend_followed(id)
  if redis.call('HEXISTS', KEY.job .. id, 'is_followed') == 1 and redis.call('SADD', KEY.followed, id) == 1 then
    mended(id, 'no controller would have gone on with it')
  end
end

local function mend_waiting(id)
  local needs, not_before, paused, wakes_each, awaits_wake, is_woken, wake_at =
    unpack(record(id, 'needs', 'not_before', 'paused', 'wakes_each', 'awaits_wake', 'is_woken', 'wake_at'))
  if redis.call('ZSCORE', KEY.due, id) then
    return
  elseif needs and redis.call('ZSCORE', KEY.unserved .. needs, id) then
    if redis.call('SADD', KEY.needs, needs) == 1 then
      mended(id, 'no list had what it needs')
    end
    return
  elseif awaits_wake then
    mend_followed(id)
    return mend_wait(id, is_woken, wake_at, paused)
  elseif redis.call('EXISTS', KEY.children .. id) == 1 then
    return (wakes_each and mend_each_child or mend_children)(id)
  end
  local open, reason = mend_blockers(id)
  if open and reason then
    mended(id, 'it waited for a job that did not succeed')
    finish(id, 'CANCELLED', { reason = reason }, iso)
  elseif open == 0 and not paused then
    mended(id, 'it waited for nothing')
    redis.call('ZADD', KEY.due, tonumber(not_before or nil) or now_ms(), id)
  end
end

-- The result that Celery's copy of a job still has, as JSON.
local function result_in_copy(id)
  return string.match(redis.call('GET', KEY.meta .. id) or '', '^{"status":"SUCCESS","result":(.*),"traceback":null,')
end

local function mend_final(id, state)
  if not redis.call('ZSCORE', KEY.finished, id) then
    local finished_at = tonumber(redis.call('HGET', KEY.job .. id, 'finished_at') or nil) or now_ms()
    redis.call('ZADD', KEY.finished, finished_at, id)
    redis.call('HSET', KEY.job .. id, 'finished_at', finished_at)
    mended(id, 'it had ended, and was in no index')
  end
  fit_seat(id, false)
  if state == 'SUCCEEDED' and redis.call('HEXISTS', KEY.job .. id, 'result') == 0 then
    local result = result_in_copy(id)
    if result then
      redis.call('HSET', KEY.job .. id, 'result', result)
      mended(id, 'its result was missing')
    else
      note_damage(KEY.job .. id, 'its result is missing')
      local reason = 'its result is lost: something else than Stoker has written to its record'
      finish(id, 'FAILED', { reason = reason }, iso)
    end
  end
end

-- A paused job is in the index of those; one that has ended is paused no longer.
local function mend_pause(id, state)
  local paused = redis.call('HGET', KEY.job .. id, 'paused')
  if paused and IS_FINAL[state] then
    clear_pause(id)
  elseif paused and redis.call('ZADD', KEY.paused, 'NX', paused, id) == 1 then
    mended(id, 'it was paused, and in no index of those')
  end
end

-- Puts in the place of a running or ended job's fields that are wrong what lets it go on.
local function mend_fields(id, flaws)
  replace_flaws(id, flaws)
  for field, flaw in pairs(flaws) do
    mended(id, field .. ' was ' .. flaw)
  end
end

local function has_vital_flaw(flaws)
  for field in pairs(flaws) do
    if VITAL[field] then
      return true
    end
  end
  return false
end

local function mend_record(id)
  local state, flaws, is_known = examine(id)
  if not state and redis.call('HEXISTS', KEY.job .. id, 'owner') == 1 then
    state = 'RUNNING'
    redis.call('HSET', KEY.job .. id, 'state', state)
    mended(id, 'its state was missing')
  elseif not state then
    flaws.state = 'missing'
  end
  if next(flaws) and (has_vital_flaw(flaws) or not (state == 'RUNNING' or IS_FINAL[state])) then
    if IS_STATE[state] or not is_state(state) then
      condemn(id, flaws, iso)
    end
    return
  end
  if not IS_STATE[state] or not is_known then
    return
  end
  mend_fields(id, flaws)
  local kind, sequence, queue = unpack(record(id, 'kind', 'sequence', 'queue'))
  local was_missing = redis.call('ZADD', index_of(kind, state, queue), 'NX', sequence, id) == 1
  if was_missing then
    mended(id, 'it was in no index of its state')
  end
  -- What else stands in an index is found there: to look each job up in all of them takes most of the time of a look.
  if was_missing or is_damaged then
    leave_wrong_indexes(id, state)
  end
  mend_pause(id, state)
  if state == 'QUEUED' then
    mend_queued(id)
  elseif state == 'RUNNING' then
    mend_running(id)
  elseif state == 'WAITING' then
    mend_waiting(id)
  else
    mend_final(id, state)
  end
end

