-- Whether a slot shall make way for a message: one slot for each that waits, so that not all do at once. ARGV: lists
local waiting = 0
for _, list in ipairs(ARGV) do
  waiting = waiting + redis.call('LLEN', list)
end
if waiting == 0 then
  return 0
end
local made_way = redis.call('INCR', LANE.making_way .. ARGV[1])
if made_way == 1 then
  -- Short, because something else may have taken the slot that made way.
  redis.call('PEXPIRE', LANE.making_way .. ARGV[1], 300)
end
return made_way <= waiting and 1 or 0
