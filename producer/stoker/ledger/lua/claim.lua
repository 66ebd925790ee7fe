-- Gives a queued job to one owner, whose name is the fencing token of the attempt.
-- ARGV: id, owner, worker, lease in ms, ISO time, then what the worker has ('' if unknown): memory, cpus, memory of its GPU,
--   the kinds that it knows (in words), its release (a number), memory that it has promised to no job (0: not even a share),
--   what it offers (in words)
-- Returns {'missing'}, {'taken'}, {'unfit'} (it asks for more than that, or than is free), {'unknown'} (it needs what the worker lacks),
--   {'damaged'} (its record: the job has been ended), or {'claimed', name, value, name, value …}: see attempts.py.
local id, owner, worker, lease_ms, iso = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local RELEASE, FREE = tonumber(ARGV[10]), tonumber(ARGV[11])
local GANG_WAITS_MS, LONGEST_UNFIT_MS = 5000, 30000
-- So often a job that needs much memory is left to workers which have that free; then one keeps it for the job.
local PUT_OFFS_FOR_ROOM = 2

-- What a job asks for more of than the worker has; nil if there is nothing.
local function short_of(...)
  for n, name in ipairs({ 'memory', 'cpus', 'gpu_memory' }) do
    local has, wished = tonumber(ARGV[5 + n]), tonumber(select(n, ...) or nil)
    if has and wished and wished > has then
      return name
    end
  end
end

-- Whether the worker has promised to other jobs what this one needs, and is not to wait for it.
local function lacks_room(wish, put_offs)
  if not FREE or FREE == 0 or not wish or wish <= FREE then
    return FREE == 0
  end
  return (tonumber(put_offs) or 0) < PUT_OFFS_FOR_ROOM
end

-- The versions behind references; '' for one that another job makes, or that is not there.
local function versions_of(refs)
  local versions = {}
  for ref in string.gmatch(refs or '', '%S+') do
    versions[#versions + 1] = version_behind(ref) or ''
  end
  return versions
end

-- The version under an alias of the first of these models; '' if there is none, nil where that model is not known.
local function version_beside(refs, alias)
  local name = string.match(string.match(refs or '', '^%S*'), '^([%w._-]+)@?[%w._-]*$')
  return name and alias and (version_behind(name .. '@' .. alias) or '')
end

-- The children of a job, in order: {attempt, number, what is noted of it, its id}; none if it has no children.
local function children_of(id)
  local fields, order = redis.call('HGETALL', KEY.children .. id), {}
  for n = 1, #fields, 2 do
    if is_child_of(id, fields[n]) then
      local attempt, number = string.match(fields[n], '%-(%d+)%-(%d+)$')
      order[#order + 1] = { tonumber(attempt), tonumber(number), fields[n + 1], fields[n] }
    end
  end
  table.sort(order, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
  return order
end

-- The results of a job's children, in order.
local function results_of_children(id)
  local results = {}
  for n, child in ipairs(children_of(id)) do
    results[n] = child[3]
  end
  return results
end

-- All that a job has asked for which goes on with each of its children, as that sees them; and the next one's number.
local function children_as_seen(id)
  local all, following = {}, 0
  for _, child in ipairs(children_of(id)) do
    local _, number, seen, its_id = unpack(child)
    if seen == '' then
      local its_state, started_at, spec = unpack(record(its_id, 'state', 'started_at', 'spec'))
      local run_ms = its_state == 'RUNNING' and now_ms() - (tonumber(started_at or nil) or now_ms()) or 0
      seen = its_state and child_as_seen(its_id, its_state, nil, run_ms_of(its_id) + math.max(0, run_ms), spec)
    end
    all[#all + 1] = seen or nil
    following = math.max(following, number + 1)
  end
  return all, following
end

-- What this worker lacks of what a job needs, resources aside: see below. Nothing where it says nothing of itself.
local function lacks_of(kind, needs_release, needs_words)
  local kinds, wanted = ARGV[9], words_in(needs_words)
  if kinds ~= '' and not string.find(' ' .. kinds .. ' ', ' ' .. kind .. ' ', 1, true) then
    table.insert(wanted, 1, 'kind:' .. kind)
  end
  if needs_release then
    table.insert(wanted, 'release:' .. needs_release)
  end
  if not RELEASE or #wanted == 0 then
    return {}
  end
  return lacking(with_offers({ release = RELEASE }, words_in(kinds), words_in(ARGV[12])), wanted)
end

local state, flaws, is_known, job = examine(id)
if not state then
  return { 'missing' }
end
if state == 'QUEUED' and next(flaws) then
  condemn(id, flaws, iso)
  return { 'damaged' }
end
local attempt, kind, queue, queued_at, asked_at = job.attempt, job.kind, job.queue, job.queued_at, job.children_asked_at

-- The same owner again is a repeat of a call whose answer was lost.
if state ~= 'QUEUED' and job.owner ~= owner or state == 'QUEUED' and not may_start(id) then
  return { 'taken' }
end
if state == 'QUEUED' and job.paused then
  -- An older Stoker, which knows of no pauses, has queued it.
  enqueue(id, nil)
  return { 'taken' }
end
if state == 'QUEUED' and not is_known then
  return { 'unknown' }
end
local lacks = state == 'QUEUED' and lacks_of(kind, job.needs_release, job.needs_words) or {}
if #lacks > 0 then
  -- A message too many for a job that is in another's mailbox changes nothing.
  if redis.call('HEXISTS', KEY.posted, id) == 0 then
    await_worker(id, lacks)
  end
  return { 'unknown' }
end
local short = state == 'QUEUED' and short_of(job.memory, job.cpus, job.gpu_memory)
local reason = short and worker .. ' has too little ' .. short
if state == 'QUEUED' and not short and lacks_room(tonumber(job.memory), job.unfit) then
  reason = worker .. ' has promised its memory to other jobs'
end
if reason then
  local times = redis.call('HINCRBY', KEY.job .. id, 'unfit', 1)
  wait_until(id, now_ms() + math.min(1000 * 2 ^ math.min(times - 1, 10), LONGEST_UNFIT_MS), reason)
  return { 'unfit' }
end
-- One gang of a queue gathers at a time: two that have half of their members each would wait for each other for ever.
if state == 'QUEUED' and (tonumber(job.slots) or 1) > 1
  and not redis.call('SET', KEY.gathering .. queue, owner, 'NX', 'PX', lease_ms) then
  wait_until(id, now_ms() + GANG_WAITS_MS, 'another job gathers its workers')
  return { 'taken' }
end
if state == 'QUEUED' then
  attempt = attempt + 1
  local now = now_ms()
  move(id, 'RUNNING', job, 'owner', owner, 'worker', worker, 'attempt', attempt, 'started_at', now,
    'lease_until', now + lease_ms, 'last_event_at', now)
  redis.call('ZADD', KEY.leases, now + lease_ms, id)
  redis.call('ZADD', KEY.last_events, now, id)
  if job.unfit then
    redis.call('HDEL', KEY.job .. id, 'unfit')
  end
  if job.wakes_each then
    redis.call('HDEL', KEY.job .. id, 'awaits_child', 'children_news')
  end
  redis.call('HINCRBY', KEY.service, 'started ' .. device_of(queue) .. ' ' .. kind, 1)
  observe('wait ' .. queue, now - (tonumber(queued_at) or now), BOUNDS.time)
  if job.awaits_wake or job.is_woken then
    redis.call('HDEL', KEY.job .. id, 'awaits_wake', 'is_woken')
  end
  if not (job.awaits_child or job.awaits_wake) then
    append_event(id, { type = 'started', worker = worker, attempt = attempt })
  end
  store_celery_result(id, attempt, 'STARTED', cjson.encode({ hostname = worker }), 'null', nil)
end
local answer = { 'claimed', 'number', tonumber(attempt), 'spec', job.spec or '', 'checkpoints', job.checkpoints or '', 'kind', kind,
  'queue', queue, 'queued_at_ms', tonumber(queued_at or 0), 'traceparent', job.traceparent or '',
  'memory_bytes', job.memory or 0, 'outgrown', job.outgrown or 0, 'memory_plan', job.memory_plan or 0,
  'likeness', job.likeness or '', 'models', versions_of(job.model),
  'children', asked_at and not job.wakes_each and results_of_children(id) or {},
  'children_ms', asked_at and math.max(1, now_ms() - asked_at) or 0, 'release', tonumber(job.release or 0),
  'envelope', job.envelope or '', 'losses', tonumber(job.losses or 0) }
local beside = version_beside(job.model, job.beside)
if beside then
  answer[#answer + 1], answer[#answer + 2] = 'beside', beside
end
if job.kept then
  answer[#answer + 1], answer[#answer + 2] = 'kept', job.kept
end
if job.children_signed then
  answer[#answer + 1], answer[#answer + 2] = 'children_signed', job.children_signed
end
if job.halving then
  answer[#answer + 1], answer[#answer + 2] = 'halving', job.halving
end
if job.wakes_each then
  local seen, following = children_as_seen(id)
  for _, word in ipairs({ 'asked', seen, 'following', following, 'reached', redis.call('HGETALL', KEY.reached .. id) }) do
    answer[#answer + 1] = word
  end
end
return answer
