-- Lists jobs, the newest first, without looking at more than `limit` of each kind, state and device.
-- ARGV: limit, how many kinds, kinds … (none for all), how many states, states …, fields …
-- Answers {id, {values of the fields}} pairs.
local limit, kind_count = tonumber(ARGV[1]), tonumber(ARGV[2])
local state_count = tonumber(ARGV[3 + kind_count])
local first_state, first_field = 4 + kind_count, 4 + kind_count + state_count
local kinds = kind_count > 0 and { unpack(ARGV, 3, 2 + kind_count) } or all_kinds()
local fields = { unpack(ARGV, first_field) }
local found = {}

for _, kind in ipairs(kinds) do
  for n = first_state, first_field - 1 do
    for _, index in ipairs(indexes_of(kind, ARGV[n])) do
      local entries = redis.call('ZREVRANGE', index, 0, limit - 1, 'WITHSCORES')
      for m = 1, #entries, 2 do
        found[#found + 1] = { entries[m], tonumber(entries[m + 1]) }
      end
    end
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
