-- Whether a version may be loaded. ARGV: reference, registration time, how long a retry may take in ms
-- Returns its failure as JSON, or false to go ahead; after a failure, one caller in that time may go ahead.
local failure = read_failure(ARGV[1], ARGV[2])
if not failure then
  return false
end
if now_ms() < failure.retry_at_ms then
  return shown_failure(failure)
end
failure.retry_at_ms = now_ms() + tonumber(ARGV[3])
write_failure(failure)
return false
