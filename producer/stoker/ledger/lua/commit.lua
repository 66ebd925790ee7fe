-- Ends an attempt for good, with the model it made.
-- ARGV: id, owner, state, result (JSON) or reason, traceback, ISO time, model name ('' for none), version, version's JSON
-- Answers 'ok', 'lost' (the attempt is no longer the job's; nothing was written), or 'version' (that number is taken).
local id, owner, state, told, traceback, iso, model, version, manifest = unpack(ARGV)
local holder, committed_by = unpack(record(id, 'owner', 'committed_by'))

if committed_by == owner then
  return 'ok'
end
if holder ~= owner then
  return 'lost'
end
if model ~= '' then
  if redis.call('HLEN', KEY.model .. model) + 1 ~= tonumber(version) then
    return 'version'
  end
  redis.call('SADD', KEY.models, model)
  redis.call('HSET', KEY.model .. model, version, manifest)
  redis.call('HSETNX', KEY.aliases .. model, 'champion', version)
end
if state == 'SUCCEEDED' then
  finish(id, state, { result = told }, iso)
else
  finish(id, state, { reason = told, traceback = traceback }, iso)
end
redis.call('HSET', KEY.job .. id, 'committed_by', owner)
return 'ok'
