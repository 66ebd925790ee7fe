-- Ends an attempt for good, with the model it made or the alias it moves.
-- ARGV: id, owner, state, result (JSON) or reason, traceback, ISO time,
--   model's name ('' for none), version, the new version's JSON ('' for none), alias to move there ('' for none)
-- Answers 'ok', 'lost' (the attempt is no longer the job's; nothing was written), or 'version' (that number is taken).
local id, owner, state, told, traceback, iso, model, version, manifest, alias = unpack(ARGV)
local holder, committed_by = unpack(record(id, 'owner', 'committed_by'))

if committed_by == owner then
  return 'ok'
end
if holder ~= owner then
  return 'lost'
end
if manifest ~= '' then
  if redis.call('HLEN', KEY.model .. model) + 1 ~= tonumber(version) then
    return 'version'
  end
  redis.call('SADD', KEY.models, model)
  redis.call('HSET', KEY.model .. model, version, manifest)
  if redis.call('HEXISTS', KEY.aliases .. model, 'champion') == 0 then
    move_alias(model, 'champion', version, id)
  end
end
if alias ~= '' then
  move_alias(model, alias, version, id)
end
if state == 'SUCCEEDED' then
  finish(id, state, { result = told }, iso)
else
  finish(id, state, { reason = told, traceback = traceback }, iso)
end
-- Last: a repeat is not to hear of an end that there was not. A part of a job is forgotten by now.
if redis.call('EXISTS', KEY.job .. id) == 1 then
  redis.call('HSET', KEY.job .. id, 'committed_by', owner)
end
return 'ok'
