-- Counts index entries. ARGV: index keys. Answers one number for each.
local answer = {}
for n, index in ipairs(ARGV) do
  answer[n] = redis.call('ZCARD', index)
end
return answer
