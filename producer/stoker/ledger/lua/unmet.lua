-- Which needs of waiting jobs there are: at most so many. ARGV: limit
-- Returns for each {queue, how many jobs wait, how many live workers have all that, what it is in a sentence on a worker; if
-- none has it all, only what no worker has}.
local answer = {}
for _, needs in ipairs(redis.call('SRANDMEMBER', KEY.needs, tonumber(ARGV[1]))) do
  local queue, words = parts_of_needs(needs)
  local nobodys = {}
  for _, word in ipairs(words) do
    if #able_workers(queue, { word }) == 0 then
      nobodys[#nobodys + 1] = word
    end
  end
  local able = #able_workers(queue, words)
  answer[#answer + 1] = { queue or '', redis.call('ZCARD', KEY.unserved .. needs), able,
    condition(able == 0 and #nobodys > 0 and nobodys or words) }
end
return answer
