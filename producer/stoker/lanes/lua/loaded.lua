-- A version has been loaded. ARGV: its reference
local failure = read_failure(ARGV[1])
-- One that lately ended its process by a batch could be loaded before, too.
if failure and now_ms() - (failure.computed_ms or 0) > 60000 then
  redis.call('HDEL', LANE.load_failures, ARGV[1])
end
