-- How jobs end, and what becomes of those that they asked for and that come after them. Shared by the ledger's scripts.

local CELERY = { SUCCEEDED = 'SUCCESS', FAILED = 'FAILURE', DEAD = 'FAILURE', CANCELLED = 'REVOKED', PRUNED = 'REVOKED' }
local ERROR = { FAILED = 'JobFailed', DEAD = 'JobDead', CANCELLED = 'JobCancelled', PRUNED = 'JobPruned' }

-- Puts what scripts can read in the place of what something else has written to a record.
local function replace_flaws(id, flaws)
  for _, form in ipairs(FORMS) do
    local name, _, default = unpack(form)
    if flaws[name] and default then
      redis.call('HSET', KEY.job .. id, name, default)
    elseif flaws[name] then
      redis.call('HDEL', KEY.job .. id, name)
    end
  end
end

-- Does so for a job that ends.
local function make_sound(id, flaws)
  replace_flaws(id, flaws)
  if flaws.kind then
    redis.call('SADD', KEY.kinds, 'unknown')
  end
  local field, flaw = next(flaws)
  note_damage(KEY.job .. id, field .. ' is ' .. flaw)
end

-- Why a job with a damaged record ends.
local function reason_of_damage(flaws)
  local field, flaw = next(flaws)
  return 'its record is damaged, ' .. field .. ' is ' .. flaw .. ': something else than Stoker has written to it'
end

-- Ends one job: state, result, last event, Celery's copy. Returns its record as it was before.
-- `outcome` has `result` (JSON), `peak` and `stored` (bytes of memory, and in the store), or `reason`, `traceback` and who has
-- `signed` it (texts, nil or '' for none).
local function settle(id, state, outcome, iso)
  local now = now_ms()
  local _, flaws, _, job = examine(id)
  if next(flaws) then
    make_sound(id, flaws)
    job = read_job(id)
  end
  if job.state == 'RUNNING' then
    remember_attempt(id, state, outcome.reason, job)
    if state == 'SUCCEEDED' then
      learn_example(id, job, outcome.peak)
    end
  end
  if job.paused then
    clear_pause(id)
  end
  local has_succeeded = state == 'SUCCEEDED'
  tell_webhooks_of_job('job.' .. string.lower(state), id, job, { state = state })
  move(id, state, job, 'finished_at', now, unpack(has_succeeded and { 'result', outcome.result } or {}))
  redis.call('ZADD', KEY.finished, now, id)
  if job.outage then
    redis.call('HDEL', KEY.job .. id, 'outage')
  end
  tally('finished ' .. job.kind .. ' ' .. state, 1)
  count_use('jobs', 1, job)
  count_use('bytes', tonumber(outcome.stored) or 0, job)
  if state ~= 'DEAD' then
    discard_all(id, job)
    if job.waited_by then
      redis.call('HDEL', KEY.job .. id, 'kept', 'waited_for', 'awaits_wake', 'is_woken', 'wake_at')
    end
  end
  if job.samples then
    end_sampling(id, job.samples)
  end
  if has_succeeded then
    if job.identity then
      redis.call('SET', KEY.identical .. job.identity, id)
    end
    append_event(id, { type = 'finished', state = state })
    store_celery_result(id, job.attempt, CELERY[state], outcome.result, 'null', iso)
    return job
  end
  local traceback = outcome.traceback or ''
  redis.call('HSET', KEY.job .. id, 'reason', outcome.reason, 'traceback', traceback)
  if (outcome.signed or '') ~= '' then
    redis.call('HSET', KEY.job .. id, 'reason_signed', outcome.signed)
  end
  append_event(id, { type = 'finished', state = state, reason = outcome.reason })
  local raised = '{"exc_type":"' .. ERROR[state] .. '","exc_message":[' .. cjson.encode(outcome.reason)
    .. '],"exc_module":"stoker.errors"}'
  store_celery_result(id, job.attempt, CELERY[state], raised, traceback ~= '' and cjson.encode(traceback) or 'null', iso)
  return job
end

-- Forgets a job that has ended.
local function forget(id)
  local kind, state, queue, key, singleton, identity =
    unpack(record(id, 'kind', 'state', 'queue', 'idempotency_key', 'singleton', 'identity'))
  if kind then
    redis.call('ZREM', index_of(kind, state or '', queue), id)
  end
  if key and string.match(redis.call('GET', KEY.idempotency .. key) or '', '^%S+') == id then
    redis.call('DEL', KEY.idempotency .. key)
  end
  if singleton and redis.call('GET', KEY.singleton .. singleton) == id then
    redis.call('DEL', KEY.singleton .. singleton)
  end
  if identity and redis.call('GET', KEY.identical .. identity) == id then
    redis.call('DEL', KEY.identical .. identity)
  end
  if state == 'DEAD' then
    discard_all(id, fields_of(id, 'checkpoints', 'keeps_nothing'))
  end
  redis.call('ZREM', KEY.finished, id)
  redis.call('SREM', KEY.untold, id)
  redis.call('DEL', KEY.job .. id, KEY.events .. id, KEY.history .. id, KEY.after .. id, KEY.meta .. id, KEY.children .. id,
    KEY.reached .. id, KEY.evidence .. id)
end

-- Whether a field under a job's children is the id of one: it begins with the job's, and ends with two numbers.
local function is_child_of(id, child)
  return string.sub(child, 1, #id + 1) == id .. '-' and string.find(child, '%-%d+%-%d+$')
end

-- What is larger stays with the child alone: its parent reads all that it has asked for at each of its steps.
local LARGEST_RESULT = 65536
-- A child as its parent sees it, as JSON: see kinds/child.py. `spec` and `result` (nil for none) are JSON texts.
local function child_as_seen(id, state, reason, run_ms, spec, result)
  local seen = cjson.encode({ id = id, number = tonumber(string.match(id, '%d+$')), state = state, reason = reason,
    run_s = run_ms / 1000 })
  local its_result = result and #result <= LARGEST_RESULT and ',"result":' .. result or ''
  return string.sub(seen, 1, -2) .. ',"spec":' .. (spec or 'null') .. its_result .. '}'
end

-- A child has ended whose parent goes on with each that does: it notes how, and is queued if it waits for one.
-- If it runs, or is queued, or is paused, it learns of it when it is claimed, or as soon as it asks: see await_children.lua.
local function wake_parent(parent, id, seen)
  redis.call('HSET', KEY.children .. parent, id, seen)
  redis.call('HINCRBY', KEY.job .. parent, 'open_children', -1)
  local news = redis.call('HINCRBY', KEY.job .. parent, 'children_news', 1)
  redis.call('HSET', KEY.job .. parent, 'last_event_at', now_ms())
  local state, awaits, awaits_wake = unpack(record(parent, 'state', 'awaits_child', 'awaits_wake'))
  -- One that has been woken before may wait for something else by now.
  if state == 'WAITING' and awaits and news == 1 then
    enqueue(parent, nil, true)
  elseif awaits_wake then
    wake_waiting(parent)
  end
end

-- A child has ended. Its parent is queued again when all have succeeded, to gather their results, and ends with the first
-- that has not; unless it wants to learn of each. Returns the parent, its state and its outcome if it ends.
local function notify_parent(id, state, outcome, job)
  local parent = job.parent
  local children = KEY.children .. parent
  -- Once the parent has ended it waits for no child.
  local noted = redis.call('HGET', children, id)
  local is_awaited = noted and true
  local wakes = is_awaited and redis.call('HEXISTS', KEY.job .. parent, 'wakes_each') == 1
  local seen = wakes and child_as_seen(id, state, outcome.reason, run_ms_of(id), job.spec, outcome.brief or outcome.result)
  if state == 'DEAD' then
    -- What an operator does with it is done with the parent.
    for _, past in ipairs(is_awaited and not wakes and redis.call('LRANGE', KEY.history .. id, 0, -1) or {}) do
      redis.call('RPUSH', KEY.history .. parent, past)
    end
    forget(id)
  end
  if not is_awaited then
    return nil
  elseif wakes then
    -- One that had ended, and is found damaged, wakes it once.
    return noted == '' and wake_parent(parent, id, seen) or nil
  elseif state ~= 'SUCCEEDED' then
    return parent, state, { reason = (job.summary or id) .. ': ' .. (outcome.reason or state), traceback = outcome.traceback }
  end
  redis.call('HSET', children, id, outcome.result)
  local open, total = redis.call('HINCRBY', KEY.job .. parent, 'open_children', -1), redis.call('HLEN', children)
  local progress = cjson.encode({ type = 'progress', stage = 'waiting for its jobs', unit = 'jobs', total = total,
    done = total - open })
  note_progress(parent, progress, append_text(parent, progress))
  redis.call('HSET', KEY.job .. parent, 'last_event_at', now_ms())
  if open == 0 and redis.call('HGET', KEY.job .. parent, 'state') == 'WAITING' then
    enqueue(parent, 'all the jobs that it waited for have succeeded')
  end
end

-- A dead job that went on with each of its children keeps those that have ended, for whoever requeues it: it asks for the
-- others again, under the numbers that those had.
local function keep_ended_children(id)
  local fields, numbers = redis.call('HGETALL', KEY.children .. id), {}
  for n = 1, #fields, 2 do
    if fields[n + 1] == '' then
      redis.call('HDEL', KEY.children .. id, fields[n])
      numbers[string.match(fields[n], '%d+$') or ''] = true
    end
  end
  for _, field in ipairs(redis.call('HKEYS', KEY.reached .. id)) do
    if numbers[string.match(field, '%d+$') or ''] then
      redis.call('HDEL', KEY.reached .. id, field)
    end
  end
  redis.call('HSET', KEY.job .. id, 'open_children', 0)
end

-- A job has ended: so do its children that have not. Those that had not started are closed.
local function cancel_children(id, its_state, close)
  local children = redis.call('HKEYS', KEY.children .. id)
  for _, child in ipairs(children) do
    local state = redis.call('HGET', KEY.job .. child, 'state')
    if state == 'RUNNING' then
      redis.call('HSET', KEY.job .. child, 'cancel', 1)
    elseif YET_TO_START[state] then
      close(child, 'CANCELLED', { reason = 'job ' .. id .. ', which asked for it, has ended' })
    end
  end
  if #children > 0 and its_state == 'DEAD' and redis.call('HEXISTS', KEY.job .. id, 'wakes_each') == 1 then
    keep_ended_children(id)
  elseif #children > 0 then
    redis.call('DEL', KEY.children .. id, KEY.reached .. id)
  end
end

-- Ends a job, and with it the waiting of those that come after: they are queued, or cancelled if it did not succeed.
-- A job is settled as soon as it is found: it may come after several of those that end here, and ends once.
local function finish(id, state, outcome, iso)
  local ended = {}
  local function close(next_id, its_state, its_outcome)
    ended[#ended + 1] = { next_id, its_state, its_outcome, settle(next_id, its_state, its_outcome, iso) }
  end
  close(id, state, outcome)
  while #ended > 0 do
    local last, its_state, its_outcome, job = unpack(table.remove(ended))
    local waiting = redis.call('SMEMBERS', KEY.after .. last)
    for _, next_id in ipairs(waiting) do
      local next_state, flaws = examine(next_id)
      if next_state == 'WAITING' then
        if next(flaws) then
          close(next_id, 'FAILED', { reason = reason_of_damage(flaws) })
        elseif its_state ~= 'SUCCEEDED' then
          close(next_id, 'CANCELLED', { reason = 'job ' .. last .. ', which it comes after, is ' .. its_state })
        elseif redis.call('HINCRBY', KEY.job .. next_id, 'blockers', -1) == 0 then
          enqueue_when_due(next_id, tonumber(redis.call('HGET', KEY.job .. next_id, 'not_before')), nil)
        end
      end
    end
    if #waiting > 0 then
      redis.call('DEL', KEY.after .. last)
    end
    cancel_children(last, its_state, close)
    if job.parent then
      local parent, its_end, parents_outcome = notify_parent(last, its_state, its_outcome, job)
      if parent then
        close(parent, its_end, parents_outcome)
      end
    end
  end
end

-- What becomes of an attempt whose job is to wait: 'ok' if it waits already, for this is a repeat of a call whose answer was
-- lost, or if it ends, for it was cancelled; 'lost' if the job is no longer the attempt's. nil if it is to wait now.
-- `ended_by` is the field that names the attempt with which it began to.
local function ended_before(id, owner, ended_by, iso)
  local holder, before, cancel = unpack(record(id, 'owner', ended_by, 'cancel'))
  if before == owner then
    return 'ok'
  elseif holder ~= owner then
    return 'lost'
  elseif cancel then
    finish(id, 'CANCELLED', { reason = 'cancelled while it ran' }, iso)
    return 'ok'
  end
end

-- Ends a job whose record something else has written to: it cannot be run, and stands in nobody's way.
local function condemn(id, flaws, iso)
  finish(id, 'FAILED', { reason = reason_of_damage(flaws) }, iso)
end
