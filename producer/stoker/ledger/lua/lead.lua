-- Takes or keeps the lead among controllers. ARGV: name, lease in ms. Returns 1 if this one leads.
local leader = redis.call('GET', KEY.leader)
if leader and leader ~= ARGV[1] then
  return 0
end
redis.call('SET', KEY.leader, ARGV[1], 'PX', tonumber(ARGV[2]))
return 1
