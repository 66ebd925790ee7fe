-- Looks through a page of the keys for what names artifacts: records of jobs, lists of them, schedules, and models, of any
-- version.
-- ARGV: cursor, how many keys. Returns the next cursor, when the oldest job on the page was submitted that has begun and not
-- ended for good (ms, 0 for none), and every digest that is named.

-- Hashes that name artifacts, in any field. Whatever else comes to name some is added here, or its files go.
local NAMES = { KEY.job, KEY.model, KEY.children, KEY.intake, KEY.schedules }
local ENDED = { SUCCEEDED = true, FAILED = true, CANCELLED = true, PRUNED = true }
local DIGEST = '%f[%x]' .. string.rep('%x', 64) .. '%f[%X]'
local cursor, keys = unpack(redis.call('SCAN', ARGV[1], 'COUNT', ARGV[2]))

-- Since when a job may have put files that nothing names yet; nil if it has none such. One that waits in the middle of its
-- work, for months perhaps, has named what it needs.
local function may_have_files_since(key)
  local state, submitted_at, attempt, waited_by, started_at, awaits_wake =
    unpack(redis.call('HMGET', key, 'state', 'submitted_at', 'attempt', 'waited_by', 'started_at', 'awaits_wake'))
  if ENDED[state] or attempt == '0' or awaits_wake then
    return nil
  end
  -- One that is not readable may be of any age.
  return tonumber(waited_by and started_at or submitted_at or nil) or 1
end

local function names(key)
  for _, prefix in ipairs(NAMES) do
    if string.sub(key, 1, #prefix) == prefix then
      return type_of(key) == 'hash'
    end
  end
end

local oldest, digests = 0, {}
for _, key in ipairs(keys) do
  if names(key) then
    for _, value in ipairs(redis.call('HVALS', key)) do
      for digest in string.gmatch(value, DIGEST) do
        digests[#digests + 1] = digest
      end
    end
    if string.sub(key, 1, #KEY.job) == KEY.job then
      local since = may_have_files_since(key)
      if since and (oldest == 0 or since < oldest) then
        oldest = since
      end
    end
  end
end
return { cursor, oldest, digests }
