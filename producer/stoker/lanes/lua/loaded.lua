-- Clears the failures of a version that has been loaded. ARGV: reference
local failure = read_failure(ARGV[1])
-- Not those of one whose process died while computing, within the last minute: it had been loaded before, too.
if failure and now_ms() - (failure.computed_ms or 0) > 60000 then
  redis.call('HDEL', LANE.load_failures, ARGV[1])
end
