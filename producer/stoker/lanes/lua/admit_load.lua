-- Whether a version may be loaded. ARGV: reference, when it was registered, how long a trial may take in ms
-- Answers its failure as JSON, or false to go ahead; whoever may go ahead after a failure is the only one for that long.
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
