-- Gives the version of a job's route another share. ARGV: job, share, 1 if it is a shadow, number of the step
-- Returns {'ok'}, or {'closed', why} if the job has no route any more.
local id, share, is_shadow, step = unpack(ARGV)
local model, alias, route = route_of_job(id)

if not route then
  return { 'closed', redis.call('HGET', KEY.evidence .. id, 'closed') or 'it was never opened' }
end
-- As it comes back from JSON, which keeps 14 digits.
share = tonumber(string.format('%.14g', share))
if route.share ~= share or route.shadow ~= (is_shadow == '1') or route.step ~= tonumber(step) then
  route.share, route.shadow, route.step, route.since_ms = share, is_shadow == '1', tonumber(step), now_ms()
  write_route(model, alias, route)
  note_change(model, { routed = alias, from = route.from, to = route.to, share = route.share, shadow = route.shadow,
    how = 'moved', by = id })
end
return { 'ok' }
