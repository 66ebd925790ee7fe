-- Versions that could not be loaded. Shared by the scripts that note it, or ask.

-- The pause after the first failure to load a version; it doubles with each further one.
local FIRST_PAUSE_MS = 5000
local LONGEST_PAUSE_MS = 300000

-- The failure of the version registered at `created_at` (of any, if nil), or nil.
local function read_failure(ref, created_at)
  local raw = redis.pcall('HGET', LANE.load_failures, ref)
  local readable, failure = pcall(cjson.decode, type(raw) == 'string' and raw or '')
  -- Anything else was not written by Stoker.
  if not readable or type(failure) ~= 'table' or type(failure.failures) ~= 'number'
    or type(failure.since_ms) ~= 'number' or type(failure.retry_at_ms) ~= 'number' then
    return nil
  end
  if not created_at or failure.created_at == created_at then
    failure.model = ref
    return failure
  end
end

local function write_failure(failure)
  if type_of(LANE.load_failures) ~= 'hash' then
    redis.call('DEL', LANE.load_failures)
  end
  redis.call('HSET', LANE.load_failures, failure.model, cjson.encode(failure))
  -- A version that is not retried for so long has no callers.
  redis.call('EXPIRE', LANE.load_failures, 3600)
end

-- A failure as clients read it, with times in seconds.
local function shown_failure(failure)
  return cjson.encode({
    model = failure.model, error = failure.error, reason = failure.reason, worker = failure.worker,
    failures = failure.failures, since = failure.since_ms / 1000, retry_at = failure.retry_at_ms / 1000,
  })
end
