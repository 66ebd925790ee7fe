-- Forgets an upload. ARGV: its reference; and a time, ms, if only one whose own is over then, or ''.
-- Returns 1 if it did.
local ref, before_ms = ARGV[1], tonumber(ARGV[2])
local until_ms = tonumber(redis.call('ZSCORE', KEY.uploads_until, ref) or nil)
if before_ms and until_ms and until_ms > before_ms then
  return 0
end
redis.call('ZREM', KEY.uploads_until, ref)
return redis.call('HDEL', KEY.uploads, ref)
