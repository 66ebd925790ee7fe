-- Gives the lead up, if this one has it. ARGV: name
if redis.call('GET', KEY.leader) == ARGV[1] then
  redis.call('DEL', KEY.leader)
end
