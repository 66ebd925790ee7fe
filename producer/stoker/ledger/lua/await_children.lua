-- Ends an attempt that asks for other jobs, its children: its job waits for them, without a slot.
-- ARGV: id, owner, ISO time, children (JSON, see intake.lua)
-- Returns 'ok', or 'lost' (the attempt is no longer the job's; nothing was written).
local id, owner, iso = unpack(ARGV)
local holder, asked_by, cancel, sequence, turn, tenant, paused =
  unpack(record(id, 'owner', 'children_asked_by', 'cancel', 'sequence', 'turn', 'tenant', 'paused'))

if asked_by == owner then
  return 'ok'
end
if holder ~= owner then
  return 'lost'
end
if cancel then
  finish(id, 'CANCELLED', { reason = 'cancelled while it ran' }, iso)
  return 'ok'
end
local chunk = cjson.decode(ARGV[4])
local reason = 'waits for ' .. #chunk.jobs .. ' jobs that it has asked for'
remember_attempt(id, 'children', reason)
move(id, 'WAITING')
redis.call('HSET', KEY.job .. id, 'children_asked_by', owner, 'children_asked_at', now_ms(),
  'open_children', #chunk.jobs)
append_event(id, { type = 'waiting', reason = reason })
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
count_queued({ [tenant or ''] = #chunk.jobs })
take_in(chunk, iso)
if paused then
  pause_children(id)
end
return 'ok'
