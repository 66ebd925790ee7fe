-- Ends an attempt for good, with its effects: models that it registers, aliases that it moves.
-- ARGV: id, owner, state, result (JSON) or reason, traceback (of a success: what its parent sees of the result, if that is not
--   all of it; '' for neither), ISO time, the most memory that it was seen to use, in bytes (0 where that is unknown), the
--   bytes of files that it has made in the store, who has signed the reason ('' for nobody), and for each effect: the model's name, the number of the version, the new
--   version's JSON ('' for none), the alias to move there ('' for none)
-- Returns 'ok', 'lost' (the attempt is no longer the job's; nothing was written), 'version' (a number is taken; likewise), or
--   'gone' (an alias would point at no version; likewise).

local id, owner, state, outcome, traceback, iso, peak, stored, signed = unpack(ARGV)
local holder, committed_by = unpack(record(id, 'owner', 'committed_by'))

if committed_by == owner then
  return 'ok'
end
if holder ~= owner then
  return 'lost'
end
local added = {}
for n = 10, #ARGV, 4 do
  local model, version, manifest = unpack(ARGV, n, n + 2)
  if manifest ~= '' then
    added[model] = (added[model] or redis.call('HLEN', KEY.model .. model)) + 1
    if added[model] ~= tonumber(version) then
      return 'version'
    end
  elseif (added[model] or 0) < tonumber(version) and not version_of(model, version) then
    return 'gone'
  end
end
for n = 10, #ARGV, 4 do
  local model, version, manifest, alias = unpack(ARGV, n, n + 3)
  if manifest ~= '' then
    audit_job('registered', id, model .. '@' .. version)
  end
  if alias ~= '' then
    audit_job('moved', id, model .. '@' .. alias .. ' to ' .. version)
  end
end
for n = 10, #ARGV, 4 do
  local model, version, manifest, alias = unpack(ARGV, n, n + 3)
  if manifest ~= '' then
    redis.call('SADD', KEY.models, model)
    redis.call('HSET', KEY.model .. model, version, manifest)
    -- What is noted of one that was removed has an end.
    redis.call('PERSIST', KEY.moves .. model)
    if redis.call('HEXISTS', KEY.aliases .. model, 'champion') == 0 then
      move_alias(model, 'champion', version, { by = id })
    end
    local ref = model .. '@' .. version
    raise_alarm({ what = 'registered', model = ref, job = id, text = ref .. ' is registered' })
  end
  if alias ~= '' then
    move_alias(model, alias, version, { by = id })
    -- A route from where it pointed holds no longer.
    open_route(model, alias)
  end
end
if state == 'SUCCEEDED' then
  finish(id, state, { result = outcome, brief = traceback ~= '' and traceback or nil, peak = peak, stored = stored }, iso)
else
  finish(id, state, { reason = outcome, traceback = traceback, signed = signed }, iso)
end
-- Last: a repeat is not to hear of an end that there was not.
redis.call('HSET', KEY.job .. id, 'committed_by', owner)
return 'ok'
