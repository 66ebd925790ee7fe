-- What a job's record looks like. What does not look so was written by something else than Stoker; what looks so and is
-- unknown here (a kind, a queue, a priority, a state) is a newer Stoker's, and is left to it. Shared by the ledger's scripts.

local function is_word(value)
  return value and #value <= 32 and string.find(value, '^%l[%l%d_-]*$')
end

local function is_number(value)
  return value and #value <= 16 and string.find(value, '^%d+$')
end

local function is_queue_name(value)
  return value and #value <= 64 and string.find(value, '^%l[%l%d.-]*$')
end

local function is_trace(value)
  return #value < 64 and string.find(value, '^[%x-]*$')
end

local function is_list_of_words(value)
  return value and #value <= 16384 and not string.find(value, '%c')
end

local function lists_artifacts(value)
  local is_json, listed = pcall(cjson.decode, value)
  if not is_json or type(listed) ~= 'table' then
    return false
  end
  for _, artifact in pairs(listed) do
    if type(artifact) ~= 'table' or not string.find(tostring(artifact.digest), '^%x+$')
      or not string.find(tostring(artifact.name), '^[%w._-]+$') or type(artifact.size) ~= 'number' then
      return false
    end
  end
  return true
end

-- By field: what it must be, and what takes its place so that the job can be ended; nil where it may be missing.
local FORMS = {
  { 'kind', is_word, 'unknown' }, { 'queue', is_queue_name, 'unknown' }, { 'priority', is_word, 'normal' },
  { 'sequence', is_number, 0 }, { 'attempt', is_number, 0 }, { 'losses', is_number, 0 },
  { 'max_attempts', is_number, 1 }, { 'submitted_at', is_number, 0 },
  { 'checkpoints', lists_artifacts }, { 'traceparent', is_trace }, { 'not_before', is_number },
  { 'queued_at', is_number }, { 'rung_at', is_number }, { 'started_at', is_number }, { 'lease_until', is_number },
  { 'memory', is_number }, { 'cpus', is_number }, { 'gpu_memory', is_number }, { 'slots', is_number },
  { 'outgrown', is_number }, { 'memory_plan', is_number },
  { 'release', is_number }, { 'needs_release', is_number }, { 'needs_words', is_list_of_words }, { 'blockers', is_number },
  { 'told', is_number }, { 'turn', is_number }, { 'children_asked_at', is_number }, { 'setbacks', is_number },
  { 'paused', is_number }, { 'wake_at', is_number },
}

-- Whether a state is one, known or not.
local function is_state(value)
  return value and #value <= 32 and string.find(value, '^%u+$')
end

-- A whole record, by field. To ask for fields that it does not have costs more than those that it has.
local function read_job(id)
  local fields, job = redis.call('HGETALL', KEY.job .. id), {}
  for n = 1, #fields, 2 do
    job[fields[n]] = fields[n + 1]
  end
  return job
end

-- What is wrong with a record: by field, 'missing' or 'wrong'. Returns its state (nil if there is no record), what is
-- wrong, whether this version knows its queue and priority, and all of it.
local function examine(id)
  local job, flaws = read_job(id), {}
  for _, form in ipairs(FORMS) do
    local value = job[form[1]]
    if (value or form[3]) and not form[2](value) then
      flaws[form[1]] = value and 'wrong' or 'missing'
    end
  end
  if job.state and not is_state(job.state) then
    flaws.state = 'wrong'
  end
  return job.state, flaws, QUEUE[job.queue] and STEP[job.priority] and true, job
end

-- A job's state; nil if there is none, or if its record is damaged or a newer Stoker's.
local function state_of(id)
  local state, flaws, is_known = examine(id)
  if not state or (is_known and not next(flaws)) then
    return state
  end
  redis.call('SET', KEY.damaged, 1)
  return nil
end
