-- Shared by every script of the ledger. A script reads and writes in one step: nothing comes between.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function append_event(id, json)
  redis.call('XADD', KEY.events .. id, 'MAXLEN', '~', 10000, '*', 'event', json)
end

-- Moves a record from one state to another, in its hash and in the index.
local function move(id, kind, from, to, sequence)
  if from then
    redis.call('ZREM', KEY.jobs .. kind .. ':' .. from, id)
  end
  redis.call('ZADD', KEY.jobs .. kind .. ':' .. to, sequence, id)
  redis.call('HSET', KEY.job .. id, 'state', to)
end

local function record(id, ...)
  return redis.call('HMGET', KEY.job .. id, ...)
end

-- Writes a job's state where celery.result.AsyncResult looks, and wakes whoever waits there.
-- `result` and `traceback` are JSON texts.
local function tell_celery(id, status, result, traceback, iso)
  local meta = '{"status":"' .. status .. '","result":' .. result .. ',"traceback":' .. traceback
    .. ',"children":[],"date_done":' .. (iso and cjson.encode(iso) or 'null')
    .. ',"task_id":' .. cjson.encode(id) .. '}'
  redis.call('SET', KEY.meta .. id, meta)
  redis.call('PUBLISH', KEY.meta .. id, meta)
  if redis.call('EXISTS', KEY.mirrored) == 1 then
    redis.call('SADD', KEY.untold, id)
  end
end

local CELERY = { SUCCEEDED = 'SUCCESS', FAILED = 'FAILURE', DEAD = 'FAILURE', CANCELLED = 'REVOKED' }
local ERROR = { FAILED = 'JobFailed', DEAD = 'JobDead', CANCELLED = 'JobCancelled' }

-- Ends a job: state, result, last event, Celery's copy.
-- `outcome` has `result` (JSON) or `reason` and `traceback` (texts, '' for none).
local function finish(id, state, outcome, iso)
  local kind, from, sequence = unpack(record(id, 'kind', 'state', 'sequence'))
  move(id, kind, from, state, sequence)
  redis.call('ZREM', KEY.leases, id)
  redis.call('HDEL', KEY.job .. id, 'owner', 'lease_until', 'checkpoint')
  redis.call('HSET', KEY.job .. id, 'finished_at', now_ms())
  if state == 'SUCCEEDED' then
    redis.call('HSET', KEY.job .. id, 'result', outcome.result)
    append_event(id, '{"type":"finished","state":"SUCCEEDED"}')
    tell_celery(id, CELERY[state], outcome.result, 'null', iso)
    return
  end
  redis.call('HSET', KEY.job .. id, 'reason', outcome.reason, 'traceback', outcome.traceback or '')
  append_event(id, cjson.encode({ type = 'finished', state = state, reason = outcome.reason }))
  local raised = '{"exc_type":"' .. ERROR[state] .. '","exc_message":[' .. cjson.encode(outcome.reason)
    .. '],"exc_module":"stoker.errors"}'
  local traceback = (outcome.traceback or '') ~= '' and cjson.encode(outcome.traceback) or 'null'
  tell_celery(id, CELERY[state], raised, traceback, iso)
end

-- Puts a running job back on its queue and rings for it.
local function requeue(id, reason, list, bell)
  local kind, from, sequence, queue = unpack(record(id, 'kind', 'state', 'sequence', 'queue'))
  move(id, kind, from, 'QUEUED', sequence)
  redis.call('ZREM', KEY.leases, id)
  redis.call('HDEL', KEY.job .. id, 'owner', 'lease_until')
  append_event(id, cjson.encode({ type = 'queued', queue = queue, reason = reason }))
  redis.call('LPUSH', list, bell)
end
