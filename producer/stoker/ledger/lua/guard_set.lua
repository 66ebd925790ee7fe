-- Sets a model's guard, or takes it away with all that it has refused. ARGV: model, guard (JSON; '' to take it away)
-- Returns 1, or 0 if there was none to take away.
local model, guard = ARGV[1], ARGV[2]
local before = redis.call('HGET', KEY.guards, model)
if guard == '' and not before then
  return 0
end
if guard ~= before then
  audit({ what = guard == '' and 'unguarded' or 'guarded', about = model })
end
if guard == '' then
  redis.call('HDEL', KEY.guards, model)
  redis.call('DEL', KEY.guarded .. model, KEY.guard_rows .. model)
else
  redis.call('HSET', KEY.guards, model, guard)
end
return 1
