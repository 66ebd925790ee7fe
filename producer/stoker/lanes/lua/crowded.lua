-- Whether a slot shall make way: one for each message that waits, so that not all do at once. ARGV: lists
local waiting = 0
for _, list in ipairs(ARGV) do
  waiting = waiting + redis.call('LLEN', list)
end
if waiting == 0 then
  return 0
end
local made_way = redis.call('INCR', LANE.making_way .. ARGV[1])
if made_way == 1 then
  -- Not longer: a slot that made way may have been given to something else.
  redis.call('PEXPIRE', LANE.making_way .. ARGV[1], 300)
end
return made_way <= waiting and 1 or 0
