-- Lists the duties of the leading controller. Returns the time (ms), then name and state (JSON) of each.
local answer = { now_ms() }
for _, word in ipairs(type_of(KEY.duties) == 'hash' and redis.call('HGETALL', KEY.duties) or {}) do
  answer[#answer + 1] = word
end
return answer
