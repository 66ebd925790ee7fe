-- Lists jobs, the newest first, without looking at more than `limit` of each kind and state.
-- ARGV: limit, number of fields, fields …, index keys …
-- Answers {id, {values of the fields}} pairs.
local limit, width = tonumber(ARGV[1]), tonumber(ARGV[2])
local fields = { unpack(ARGV, 3, 2 + width) }
local found = {}

for n = 3 + width, #ARGV do
  local entries = redis.call('ZREVRANGE', ARGV[n], 0, limit - 1, 'WITHSCORES')
  for m = 1, #entries, 2 do
    found[#found + 1] = { entries[m], tonumber(entries[m + 1]) }
  end
end
table.sort(found, function(a, b) return a[2] > b[2] end)

local answer = {}
for n = 1, math.min(limit, #found) do
  -- What is no hash is nobody's job; it must not spoil the list.
  local values = redis.pcall('HMGET', KEY.job .. found[n][1], unpack(fields))
  answer[n] = { found[n][1], values.err and {} or values }
end
return answer
