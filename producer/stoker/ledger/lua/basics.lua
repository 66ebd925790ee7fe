-- Shared by every script, those of the lanes too. A script reads and writes in one step: nothing comes between.

-- The same moment for all of a script.
local moment
local function now_ms()
  if not moment then
    local time = redis.call('TIME')
    moment = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return moment
end

-- Something else than Stoker may have written to any key. Where a command meets a value of a wrong type, that is deleted,
-- the damage is noted and the command is run again, so that no script ends half done. What was lost is derived from the
-- records anew: see repair.lua.
local server, note_damage = redis, nil

-- Deletes the value that a command failed for. Returns whether it did: whatever else a server refuses a command for (no
-- memory, no replicas, no permission) says nothing of the value.
local function clear(reason, command, key, field)
  local function says(text)
    return string.find(reason, text, 1, true)
  end
  local was
  if says('WRONGTYPE') or command == 'XADD' and says('ID') then
    was = 'a ' .. server.call('TYPE', key).ok
  elseif says('not an integer') or says('would overflow') then
    was = 'no number'
  end
  local removal = command == 'HINCRBY' and was == 'no number' and server.pcall('HDEL', key, field)
    or was and server.pcall('DEL', key)
  if not removal or type(removal) == 'table' then
    return false
  end
  if key == KEY.rings or key == KEY.sequence then
    -- Above every number used before.
    server.call('SET', key, now_ms())
  end
  note_damage(key, was)
  return true
end

local function call(command, key, ...)
  local answer = server.pcall(command, key, ...)
  if type(answer) == 'table' and answer.err then
    clear(answer.err, command, key, ...)
    return server.call(command, key, ...)
  end
  return answer
end

local redis = setmetatable({ call = call }, { __index = server })

-- Notes damage that was removed, and that what depends on it must be checked.
local damages = {}
function note_damage(where, was)
  damages[#damages + 1] = where .. ': ' .. was
  redis.call('LPUSH', KEY.repairs, cjson.encode({ at = now_ms(), where = where, was = was }))
  redis.call('LTRIM', KEY.repairs, 0, 999)
  redis.call('HINCRBY', KEY.tallies, 'repairs', 1)
  redis.call('SET', KEY.damaged, 1)
end

local function record(id, ...)
  return redis.call('HMGET', KEY.job .. id, ...)
end

-- The same, by name.
local function fields_of(id, ...)
  local values, fields = record(id, ...), {}
  for n = 1, #values do
    fields[select(n, ...)] = values[n] or nil
  end
  return fields
end

local function type_of(key)
  return redis.call('TYPE', key).ok
end

-- A worker from its description, without queues where something else has written that.
local function read_worker(description)
  local is_json, worker = pcall(cjson.decode, description or '')
  return is_json and type(worker) == 'table' and type(worker.queues) == 'table' and worker or { queues = {} }
end

-- How many jobs of a queue and priority may have a message.
local windows = {}
local function window_of(queue)
  if not windows[queue] then
    local stored = redis.call('HGET', KEY.windows, queue)
    windows[queue] = tonumber(stored or nil) or WINDOW
  end
  return windows[queue]
end

-- Counts that only grow: see counters.py for their names.
local function tally(name, by)
  redis.call('HINCRBY', KEY.tallies, name, by)
end

-- Adds a value to a histogram. The clock may have been set back: what took less than no time took none.
local function observe(name, value, bounds)
  value = math.max(0, value)
  local n = 1
  while bounds[n] and value > bounds[n] do
    n = n + 1
  end
  tally(name .. ' ' .. (bounds[n] or 'inf'), 1)
  tally(name .. ' sum', value)
end

-- Adds an event, as JSON. Returns its id.
local function append_text(id, event)
  return redis.call('XADD', KEY.events .. id, 'MAXLEN', '~', 10000, '*', 'event', event)
end

local function append_event(id, event)
  append_text(id, cjson.encode(event))
end

-- Tells webhooks of an event: see stoker/webhooks. Where there are none, this is one look.
local function tell_webhooks(what, data)
  if redis.call('EXISTS', KEY.hooked) == 1 then
    redis.call('XADD', KEY.webhook_events, '*', 'event', cjson.encode({ type = what, data = data }))
  end
end

-- Does so for an event of a job; `more` has further words about it, if there are any. One that another job has asked for is
-- that job's own affair.
local function tell_webhooks_of_job(what, id, job, more)
  if job.parent or redis.call('EXISTS', KEY.hooked) == 0 then
    return
  end
  local is_json, tags = pcall(cjson.decode, job.tags or '')
  local data = more or {}
  data.id, data.kind, data.tenant = id, job.kind, job.tenant
  data.model = job.makes ~= '' and job.makes or job.model ~= '' and job.model or nil
  data.tags = is_json and type(tags) == 'table' and next(tags) and tags or nil
  tell_webhooks(what, data)
end

-- Tells whoever watches models what has happened to one: see alarms.py. `alarm` has `what` and `text`, and what it knows of
-- `model`, `job` and `figures`. The newest 10,000 stay.
local function raise_alarm(alarm)
  local what = string.gsub(string.lower(alarm.what), '[^a-z]', '_')
  tell_webhooks('alarm.' .. what, { what = alarm.what, model = alarm.model, job = alarm.job, text = alarm.text })
  return redis.call('XADD', KEY.alarms, 'MAXLEN', '~', 10000, '*', 'alarm', cjson.encode(alarm))
end

-- Does so unless it has been, of which `alarm.id` tells; it is looked for among the newest.
local function raise_once(alarm)
  for _, entry in ipairs(redis.call('XREVRANGE', KEY.alarms, '+', '-', 'COUNT', 100)) do
    local is_json, before = pcall(cjson.decode, entry[2][2])
    if is_json and type(before) == 'table' and before.id == alarm.id then
      return entry[1]
    end
  end
  return raise_alarm(alarm)
end

-- Pushes a Celery message that carries nothing but a task's id onto the list of its queue, and numbers it.
-- Returns the list, the number and the message.
-- It is Celery's message protocol 2 (https://docs.celeryq.dev/en/stable/internals/protocol.html) in the envelope of
-- kombu's Redis transport, the body as plain JSON text.
local function push_message(task, id, queue, priority, summary)
  local list, json_id = queue .. SEPARATOR .. STEP[priority], cjson.encode(id)
  local number = redis.call('INCR', KEY.rings)
  local body = '[[' .. json_id .. '],{},{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]'
  local message = '{"body":' .. cjson.encode(body)
    .. ',"content-encoding":"utf-8","content-type":"application/json","headers":{"lang":"py","task":"' .. task
    .. '","id":' .. json_id .. ',"root_id":' .. json_id .. ',"parent_id":null,"group":null,"eta":null,"expires":null,'
    .. '"retries":0,"timelimit":[null,null],"argsrepr":' .. cjson.encode('(' .. summary .. ')')
    .. ',"kwargsrepr":"{}","origin":"stoker","ignore_result":true},"properties":{"correlation_id":' .. json_id
    .. ',"reply_to":"","delivery_mode":2,"delivery_info":{"exchange":"","routing_key":"' .. queue .. '"},"priority":'
    .. STEP[priority] .. ',"delivery_tag":"' .. number .. '"}}'
  -- Where the key of a queue holds no list, the message is sent again once a worker has deleted that.
  redis.pcall('LPUSH', list, message)
  return list, number, message
end

-- Writes a job's state where celery.result.AsyncResult looks, and wakes whoever waits there.
-- `result` and `traceback` are JSON texts. The attempt tells copiers which of two states is the newer one: see copy.lua.
local function store_celery_result(id, attempt, status, result, traceback, iso)
  local meta = '{"status":"' .. status .. '","result":' .. result .. ',"traceback":' .. traceback
    .. ',"children":[],"date_done":' .. (iso and cjson.encode(iso) or 'null')
    .. ',"task_id":' .. cjson.encode(id) .. ',"attempt":' .. attempt .. '}'
  redis.call('SET', KEY.meta .. id, meta)
  redis.call('PUBLISH', KEY.meta .. id, meta)
  if redis.call('EXISTS', KEY.mirrored) == 1 then
    redis.call('SADD', KEY.untold, id)
  end
end

-- Does so for a job that goes on in another attempt, as Celery does for a task that is to be retried.
local function store_celery_retry(id, attempt, reason)
  local raised = '{"exc_type":"Retry","exc_message":[' .. cjson.encode(reason) .. '],"exc_module":"celery.exceptions"}'
  store_celery_result(id, attempt, 'RETRY', raised, 'null', nil)
end
