-- Looks through a page of the keys for what names artifacts: records of jobs, lists of them, and models, of any version.
-- ARGV: cursor, how many keys. Returns the next cursor, when the oldest job on the page was submitted that has begun and not
-- ended for good (ms, 0 for none), and every digest that is named.

-- Hashes that name artifacts, in any field. Whatever else comes to name some is added here, or its files go.
local NAMES = { KEY.job, KEY.model, KEY.children, KEY.intake }
local ENDED = { SUCCEEDED = true, FAILED = true, CANCELLED = true, PRUNED = true }
local DIGEST = '%f[%x]' .. string.rep('%x', 64) .. '%f[%X]'
local cursor, keys = unpack(redis.call('SCAN', ARGV[1], 'COUNT', ARGV[2]))

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
      local state, submitted_at, attempt = unpack(redis.call('HMGET', key, 'state', 'submitted_at', 'attempt'))
      -- One that is not readable may be of any age.
      submitted_at = tonumber(submitted_at or nil) or 1
      if not ENDED[state] and attempt ~= '0' and (oldest == 0 or submitted_at < oldest) then
        oldest = submitted_at
      end
    end
  end
end
return { cursor, oldest, digests }
