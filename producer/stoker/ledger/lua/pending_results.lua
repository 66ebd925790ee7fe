-- Lists states that are yet to be copied to the results' own Redis. ARGV: limit. Returns {id, key, value} of each.
local answer = {}
for n, id in ipairs(redis.call('SRANDMEMBER', KEY.untold, tonumber(ARGV[1]))) do
  answer[n] = { id, KEY.meta .. id, redis.call('GET', KEY.meta .. id) or '' }
end
return answer
