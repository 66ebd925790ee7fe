-- Goes on with a job that waits: a controller keeps what it has decided, and tells people.
-- ARGV: id, what was kept, what is to be, why it waits ('' for as before), an event (JSON, '' for none), progress (JSON, '' for
--   none), 1 if the job is to run now, the role whose word is heard ('' for none), the model, and that word as a change of it
--   (JSON)
-- Returns 1, or 0 if the job does not wait or something else is kept by now: then nothing was written.
local id, before, kept, why, event, progress, wakes, role, model, change = unpack(ARGV)
local state, is_kept, paused = unpack(record(id, 'state', 'kept', 'paused'))

if state ~= 'WAITING' or is_kept ~= before or paused then
  return 0
end
redis.call('HSET', KEY.job .. id, 'kept', kept)
if why ~= '' then
  redis.call('HSET', KEY.job .. id, 'reason', why, 'waited_for', why)
end
if event ~= '' then
  append_text(id, event)
end
if progress ~= '' then
  note_progress(id, progress, append_text(id, progress))
  drop_older_progress(id)
end
if event ~= '' or progress ~= '' then
  redis.call('HSET', KEY.job .. id, 'last_event_at', now_ms())
end
if role ~= '' then
  redis.call('HDEL', KEY.approvals .. role, id)
  local said = cjson.decode(change)
  note_change(model, said)
  tell_webhooks_of_job(said.how == 'approved' and 'approval.granted' or 'approval.refused', id, read_job(id),
    { role = role, by = said.by })
end
if wakes == '1' then
  wake_waiting(id)
end
return 1
