-- Counts jobs. ARGV: states. Returns {kind, how many in each of the states …} of every kind.
local answer = {}
for n, kind in ipairs(all_kinds()) do
  answer[n] = { kind }
  for m, state in ipairs(ARGV) do
    local count = 0
    for _, index in ipairs(indexes_of(kind, state)) do
      count = count + redis.call('ZCARD', index)
    end
    answer[n][1 + m] = count
  end
end
return answer
