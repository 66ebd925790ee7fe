-- Pausing a job. A paused one has the time since when in its record: it waits, or, as long as it still runs, is about to
-- stop for it. Nothing that would queue it does so before it is resumed: see `enqueue`. Its children are paused with it.

local pause_children

-- Celery's copy of a job that has begun says why it waits; of one that has not, there is none.
local function tell_celery(id, attempt, reason)
  if (tonumber(attempt) or 0) > 0 then
    store_celery_retry(id, attempt, reason)
  end
end

-- Whether a job that runs would lose its work by a pause: one that waits now and then has little to lose.
local function loses_work(id)
  local keeps_nothing, waited_by = unpack(record(id, 'keeps_nothing', 'waited_by'))
  return keeps_nothing and not waited_by
end

-- Pauses a job that has not ended. One that runs and keeps no checkpoint goes on to its end.
local function pause(id)
  local state, needs, paused, attempt = unpack(record(id, 'state', 'needs', 'paused', 'attempt'))
  if paused or state == 'RUNNING' and loses_work(id) then
    return
  end
  redis.call('HSET', KEY.job .. id, 'paused', now_ms())
  redis.call('ZADD', KEY.paused, now_ms(), id)
  if state == 'QUEUED' or needs then
    move(id, 'WAITING')
  end
  if state ~= 'RUNNING' then
    append_event(id, { type = 'waiting', reason = 'paused' })
    tell_celery(id, attempt, 'paused')
  end
  pause_children(id)
end

function pause_children(id)
  for _, child in ipairs(redis.call('HKEYS', KEY.children .. id)) do
    local state = state_of(child)
    if YET_TO_START[state] or state == 'RUNNING' then
      pause(child)
    end
  end
end

-- Lets a paused job go on where it was: on its queue, unless it waits for something else as well.
local function resume(id)
  local job = fields_of(id, 'state', 'paused', 'blockers', 'not_before', 'open_children', 'attempt', 'wakes_each',
    'awaits_child', 'children_news', 'awaits_wake', 'is_woken')
  if not job.paused then
    return
  end
  clear_pause(id)
  for _, child in ipairs(redis.call('HKEYS', KEY.children .. id)) do
    resume(child)
  end
  if job.state ~= 'WAITING' then
    return
  end
  tell_celery(id, job.attempt, 'resumed')
  local awaits_all = not job.wakes_each and (tonumber(job.open_children) or 0) > 0
    and redis.call('EXISTS', KEY.children .. id) == 1
  local awaits_one = job.awaits_child and not job.children_news
  local awaits_wake = job.awaits_wake and not job.is_woken
  if tonumber(job.blockers or 0) > 0 or awaits_all or awaits_one or awaits_wake or redis.call('ZSCORE', KEY.due, id) then
    append_event(id, { type = 'waiting', reason = 'resumed' })
  else
    enqueue_when_due(id, tonumber(job.not_before), 'resumed')
  end
end
