-- Lists states that the results' own Redis has not been told. ARGV: limit. Answers {id, key there, what to write} of each.
local answer = {}
for n, id in ipairs(redis.call('SRANDMEMBER', KEY.untold, tonumber(ARGV[1]))) do
  answer[n] = { id, KEY.meta .. id, redis.call('GET', KEY.meta .. id) or '' }
end
return answer
