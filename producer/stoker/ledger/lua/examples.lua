-- What jobs took that have succeeded, for those like them. Shared by the ledger's scripts.

-- For how long the attempts of a job have run that have ended, ms.
local function run_ms_of(id)
  local run_ms = 0
  for _, past in ipairs(redis.call('LRANGE', KEY.history .. id, 0, -1)) do
    local is_json, attempt = pcall(cjson.decode, past)
    attempt = is_json and type(attempt) == 'table' and attempt or {}
    run_ms = run_ms + math.max(0, (tonumber(attempt.ended_at) or 0) - (tonumber(attempt.started_at) or 0))
  end
  return run_ms
end

local MOST_EXAMPLES, LONGEST_LIKENESS = 256, 1024
-- Notes what a job took that has succeeded, for those like it: see foresight/estimates.py. `peak` is its memory in bytes,
-- nil where that is unknown. One that has asked for others took the time that these took, too.
local function learn_example(id, job, peak)
  local alike = job.likeness
  if not alike or #alike > LONGEST_LIKENESS or not pcall(cjson.decode, alike) then
    return
  end
  local took_ms = now_ms() - (tonumber(job.started_at) or now_ms())
  if job.children_asked_at then
    local is_json, first = pcall(cjson.decode, redis.call('LINDEX', KEY.history .. id, 0) or '')
    local began_at = tonumber(job.began_at) or is_json and type(first) == 'table' and tonumber(first.started_at)
    took_ms = began_at and now_ms() - began_at or took_ms
  elseif tonumber(job.attempt) > 1 then
    took_ms = run_ms_of(id)
  end
  local examples = KEY.examples .. device_of(job.queue) .. ':' .. job.kind
  redis.call('LPUSH', examples, string.format('{"likeness":%s,"ms":%d,"peak_bytes":%d}', alike, math.max(0, took_ms),
    tonumber(peak) or 0))
  redis.call('LTRIM', examples, 0, MOST_EXAMPLES - 1)
end
