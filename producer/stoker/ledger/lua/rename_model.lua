-- Gives a model another name, in its versions and in those that were made from it.
-- ARGV: name, new name, up to which job the caller has looked (its sequence), who does, id of the change, and for each version
--   that names it: its model, its number, the SHA-1 of its JSON, its new JSON
-- Returns 'ok'; or, when nothing was changed: 'model' (there is none), 'taken' (the new name is another's), 'jobs' (jobs came
--   meanwhile that may name either), 'changed' (a version is another than the caller has read).
local model, new, sequence, by, change_id = unpack(ARGV)
local versions = redis.call('HGETALL', KEY.model .. model)

if is_repeat(new, change_id) then
  return 'ok'
elseif #versions == 0 then
  return 'model'
elseif redis.call('EXISTS', KEY.model .. new, KEY.aliases .. new) > 0 then
  return 'taken'
elseif is_named_since(model, sequence) or is_named_since(new, sequence) then
  return 'jobs'
end
local count = 0
for n = 6, #ARGV, 4 do
  local of, number, sha1 = unpack(ARGV, n, n + 2)
  local manifest = redis.call('HGET', KEY.model .. of, number)
  if not manifest or redis.sha1hex(manifest) ~= sha1 then
    return 'changed'
  end
  count = count + (of == model and 1 or 0)
end
for n = 2, #versions, 2 do
  count = count - (is_removed(versions[n]) and 0 or 1)
end
if count ~= 0 then
  return 'changed'
end

audit({ what = 'renamed', about = new, text = 'was ' .. model })
for n = 6, #ARGV, 4 do
  local of, number, _, manifest = unpack(ARGV, n, n + 3)
  redis.call('HSET', KEY.model .. of, number, manifest)
end
for alias, route in pairs(routes_of(model)) do
  redis.call('HDEL', KEY.routes, model .. ' ' .. alias)
  write_route(new, alias, route)
  redis.call('HSET', KEY.job .. route.job, 'route', new .. ' ' .. alias)
end
for _, prefix in ipairs({ KEY.model, KEY.aliases, KEY.notes }) do
  local fields = redis.call('HGETALL', prefix .. model)
  for n = 1, #fields, 2 do
    redis.call('HSET', prefix .. new, fields[n], fields[n + 1])
  end
end
local guard = redis.call('HGET', KEY.guards, model)
if guard then
  redis.call('HSET', KEY.guards, new, guard)
  redis.call('HDEL', KEY.guards, model)
  redis.call('DEL', KEY.guarded .. model, KEY.guard_rows .. model)
end
-- What is known of another model that had this name once ends here.
redis.call('DEL', KEY.moves .. new)
for _, change in ipairs(redis.call('LRANGE', KEY.moves .. model, 0, -1)) do
  redis.call('RPUSH', KEY.moves .. new, change)
end
redis.call('DEL', KEY.model .. model, KEY.aliases .. model, KEY.notes .. model, KEY.moves .. model)
redis.call('SREM', KEY.models, model)
redis.call('SADD', KEY.models, new)
note_change(new, { renamed = model, by = by, id = change_id })
return 'ok'
