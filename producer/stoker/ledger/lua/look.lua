-- Looks which of some keys hold anything for a controller to do: cheap, for it is asked again and again.
-- ARGV: how many of the keys are sorted sets by the time when something is due, ms; these keys; others, which exist as long as
--   there is something to do. Returns those that hold anything. Fails where no lease can be renewed.
redis.call('ZADD', KEY.leases, 'XX', 0, '')
local timed, now, found = tonumber(table.remove(ARGV, 1)), now_ms(), {}
for n, key in ipairs(ARGV) do
  if n <= timed and redis.call('ZCOUNT', key, '-inf', now) > 0 or n > timed and redis.call('EXISTS', key) == 1 then
    found[#found + 1] = key
  end
end
return found
