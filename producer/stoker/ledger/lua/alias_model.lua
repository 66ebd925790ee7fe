-- Points an alias at a version, or takes it away. ARGV: model, alias, number ('' to take it away), who does, id of the change,
-- who asked for it ('' for the Redis user).
-- Returns 'ok', 'version' (there is no such version), 'alias' (there is no such alias) or 'route <job>' (whose the alias is).
local model, alias, number, by, change_id, who = unpack(ARGV)
local before = redis.call('HGET', KEY.aliases .. model, alias)

if is_repeat(model, change_id) then
  return 'ok'
elseif number == '' and not before then
  return 'alias'
elseif number ~= '' and not version_of(model, number) then
  return 'version'
end
local route = open_route(model, alias)
if route then
  return 'route ' .. route.job
end
if before ~= number then
  audit({ what = 'moved', who = who ~= '' and who or nil, about = model .. '@' .. alias,
    text = 'from ' .. (before or 'nowhere') .. ' to ' .. (number ~= '' and number or 'nowhere') })
  move_alias(model, alias, number ~= '' and number or nil, { by = by, id = change_id })
end
return 'ok'
