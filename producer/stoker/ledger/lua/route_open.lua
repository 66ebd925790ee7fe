-- Opens a route for a job. ARGV: job, model, alias, number of the version that gets a share, share, 1 if it is a shadow,
--   after how many failures without an answer it ends, the number that the alias must point at ('' for any)
-- Returns {'ok'}; or, when nothing was written: {'job'} (that has ended, or has another route), {'alias'} (there is no such),
--   {'version'} (there is none, or the alias points at it), {'route', the job that has one}, {'moved', where the alias points}.
local id, model, alias, to, share, is_shadow, hard_stop, before = unpack(ARGV)
local state, has = unpack(record(id, 'state', 'route'))
local from = redis.call('HGET', KEY.aliases .. model, alias)
local route = open_route(model, alias)

if route and route.job == id and route.to == tonumber(to) then
  return { 'ok' }
elseif route then
  return { 'route', route.job }
elseif not state or ENDS_A_ROUTE[state] or has then
  return { 'job' }
elseif not from then
  return { 'alias' }
elseif before ~= '' and from ~= before then
  return { 'moved', from }
elseif from == to or not version_of(model, to) then
  return { 'version' }
end
redis.call('DEL', KEY.evidence .. id)
redis.call('HSET', KEY.job .. id, 'route', model .. ' ' .. alias)
route = { job = id, from = tonumber(from), to = tonumber(to), share = tonumber(share), shadow = is_shadow == '1', step = 0,
  since_ms = now_ms(), ready = false, hard_stop = tonumber(hard_stop) }
write_route(model, alias, route)
note_change(model, { routed = alias, from = route.from, to = route.to, share = route.share, shadow = route.shadow,
  how = 'opened', by = id })
return { 'ok' }
