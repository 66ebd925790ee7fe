-- Says that a backup goes on, unless another does. ARGV: name, for how long, ms, 1 if it may begin now, else 0.
-- Returns the name of the one that goes on; '' for none.
local holder = redis.call('GET', KEY.backup) or (ARGV[3] == '1' and ARGV[1] or '')
if holder == ARGV[1] then
  redis.call('SET', KEY.backup, holder, 'PX', tonumber(ARGV[2]))
end
return holder
