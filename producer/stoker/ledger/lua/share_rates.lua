-- Notes how many requests of API keys a gateway has had. A repeat notes the same.
-- ARGV: gateway, then of each count: id of the key, length of the window (s), number of the window, count
-- Returns, of each, how many the other gateways have had.
local others = {}
for n = 2, #ARGV, 4 do
  local rates = KEY.rates .. ARGV[n] .. ':' .. ARGV[n + 1] .. ':' .. ARGV[n + 2]
  redis.call('HSET', rates, ARGV[1], ARGV[n + 3])
  redis.call('EXPIRE', rates, 2 * tonumber(ARGV[n + 1]))
  local sum = -tonumber(ARGV[n + 3])
  for _, count in ipairs(redis.call('HVALS', rates)) do
    -- Something else may have written what is no count, and must lift no limit.
    sum = sum + math.max(0, tonumber(count) or 0)
  end
  others[#others + 1] = sum
end
return others
