-- Replaces the roles and who has them. ARGV: role, users, role, users, … Returns 1 if anything has changed.
local before, has_changed = redis.call('HGETALL', KEY.roles), false
has_changed = #before ~= #ARGV
for n = 1, #ARGV, 2 do
  has_changed = has_changed or redis.call('HGET', KEY.roles, ARGV[n]) ~= ARGV[n + 1]
end
if not has_changed then
  return 0
end
redis.call('DEL', KEY.roles)
for n = 1, #ARGV, 2 do
  redis.call('HSET', KEY.roles, ARGV[n], ARGV[n + 1])
end
return 1
