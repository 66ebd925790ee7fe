-- Ends a job's route. ARGV: job, 1 to point the alias at its version, why
-- Returns {'ok'}, or {'closed', why} if it had ended before, for another reason.
local id, promotes, why = unpack(ARGV)
local how = promotes == '1' and 'promoted' or 'closed'
local model, alias, route = route_of_job(id)

if not route then
  local closed, ended = unpack(redis.call('HMGET', KEY.evidence .. id, 'closed', 'how'))
  if closed == why and ended == how then
    return { 'ok' }
  end
  return { 'closed', closed or 'it was never opened' }
end
if promotes == '1' then
  audit_job('moved', id, model .. '@' .. alias .. ' to ' .. string.format('%d', route.to))
end
end_route(model, alias, route, how, why)
if promotes == '1' then
  move_alias(model, alias, string.format('%d', route.to), { by = id })
end
return { 'ok' }
