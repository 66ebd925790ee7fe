-- Pauses a queue or a tenant, or lets it go on. ARGV: 'queue' or 'tenant', its name, 1 to pause it, else 0
-- What is paused hands out nothing, and what runs goes on. Messages that were sent are taken back, so that all jobs are in
-- their order when it goes on. Returns 1 if anything has changed, else 0.
local what, name, is_to_pause = ARGV[1], ARGV[2], ARGV[3] == '1'
local field = what .. ' ' .. name

local function call_back_all(queue)
  for _, priority in ipairs(RANKED) do
    for _, id in ipairs(redis.call('ZRANGE', KEY.rung .. queue .. ':' .. priority, 0, -1)) do
      local seat = seat_of(id)
      local _, _, tenant = parts_of(seat or '')
      if seat and (what == 'queue' or tenant == name) and is_queued(id) then
        call_back(id, seat)
        place(queue, tenant)
      end
    end
  end
end

if (redis.call('HEXISTS', KEY.pauses, field) == 1) ~= is_to_pause then
  audit({ what = is_to_pause and 'paused' or 'resumed', about = field, tenant = what == 'tenant' and name or nil })
end
local changed = is_to_pause and redis.call('HSETNX', KEY.pauses, field, now_ms()) or redis.call('HDEL', KEY.pauses, field)
if changed == 0 then
  return 0
end
for _, queue in ipairs(what == 'queue' and { name } or QUEUES) do
  if is_to_pause then
    call_back_all(queue)
  end
  if what == 'tenant' then
    place(queue, name)
  end
  fill_all(queue)
end
return 1
