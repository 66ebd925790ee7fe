-- Lets a queued job wait, unclaimed, because something is away that it needs. ARGV: id, what is away, why
-- Returns 1, or 0 if the job is not queued.
local id, of, reason = unpack(ARGV)
if state_of(id) ~= 'QUEUED' then
  return 0
end
await_outage(id, of, reason)
return 1
