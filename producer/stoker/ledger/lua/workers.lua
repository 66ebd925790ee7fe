-- Returns the descriptions of the live workers. ARGV: silence after which one does not count, ms
local answer = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEY.seen, now_ms() - tonumber(ARGV[1]), '+inf')) do
  answer[#answer + 1] = redis.call('HGET', KEY.workers, name) or nil
end
return answer
