-- Ends an attempt that asks for other jobs, its children: its job waits for them, without a slot.
-- ARGV: id, owner, ISO time, children (JSON, see intake.lua), 1 if the job goes on as soon as one of them has ended, else 0:
--   then there may be none, and it waits for those that it asked for before; what a key says of all of them ('' for nothing)
-- Returns 'ok', or 'lost' (the attempt is no longer the job's; nothing was written).
local id, owner, iso, wakes_each = ARGV[1], ARGV[2], ARGV[3], ARGV[5] == '1'
local ended = ended_before(id, owner, 'children_asked_by', iso)
if ended then
  return ended
end
local sequence, turn, tenant, paused, open, news =
  unpack(record(id, 'sequence', 'turn', 'tenant', 'paused', 'open_children', 'children_news'))
local chunk = cjson.decode(ARGV[4])
open, news = #chunk.jobs + (wakes_each and tonumber(open or nil) or 0), tonumber(news or nil) or 0
if wakes_each and open == 0 and news == 0 then
  finish(id, 'FAILED', { reason = 'it waits for one of its jobs to end, and all have ended' }, iso)
  return 'ok'
end
local reason = 'waits for ' .. #chunk.jobs .. ' jobs that it has asked for'
local steps = wakes_each and count_step(id, 'children')
if not wakes_each then
  remember_attempt(id, 'children', reason)
end
move(id, 'WAITING')
redis.call('HSET', KEY.job .. id, 'children_asked_by', owner, 'children_asked_at', now_ms(), 'open_children', open,
  unpack(wakes_each and { 'wakes_each', 1, 'awaits_child', 1 } or {}))
if not wakes_each or steps == 1 then
  append_event(id, { type = 'waiting', reason = reason })
end
if ARGV[6] ~= '' then
  redis.call('HSET', KEY.job .. id, 'children_signed', ARGV[6])
end
for _, shape in ipairs(chunk.shapes) do
  -- They take the turn of their parent, which has waited for it.
  shape.turn = turn or sequence
  for _, word in ipairs({ 'parent', id, 'turn', shape.turn }) do
    table.insert(shape.record, word)
  end
end
for _, job in ipairs(chunk.jobs) do
  redis.call('HSET', KEY.children .. id, job[1], '')
end
if #chunk.jobs > 0 then
  count_queued({ [tenant or ''] = #chunk.jobs })
  take_in(chunk, iso)
end
if paused then
  pause_children(id)
end
if wakes_each and news > 0 then
  -- Some have ended while it ran.
  enqueue(id, nil, true)
end
return 'ok'
