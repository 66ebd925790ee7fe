-- Counts jobs. ARGV: states. Answers {kind, how many in each of the states …} of every kind.
local answer = {}
for n, kind in ipairs(all_kinds()) do
  answer[n] = { kind }
  for m, state in ipairs(ARGV) do
    answer[n][1 + m] = redis.call('ZCARD', KEY.jobs .. kind .. ':' .. state)
  end
end
return answer
