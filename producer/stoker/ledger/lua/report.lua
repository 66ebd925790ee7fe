-- A running attempt's heartbeat: renews its lease and adds its events.
-- ARGV: id, owner, lease in ms, latest progress ('' for none), how many checkpoints to keep,
--   how many events the attempt has sent before these, events (JSON) …
-- Returns 'ok', 'cancel' (asked to stop), 'pause' (asked to stop for a while), or 'lost' (the attempt is no longer the job's;
--   nothing was written).
local id, owner, lease_ms, progress, keep, sent_before = unpack(ARGV, 1, 6)
local holder, cancel, sent, paused = unpack(record(id, 'owner', 'cancel', 'told', 'paused'))
sent, sent_before = tonumber(sent or 0), tonumber(sent_before)

-- A report repeated because its answer was lost begins with events that are written already.
local events, checkpoints, alarms, tested = {}, {}, {}, nil
for n = 7 + math.max(0, sent - sent_before), #ARGV do
  events[#events + 1] = ARGV[n]
  local event = cjson.decode(ARGV[n])
  if event.type == 'checkpoint' then
    event.artifact.signed = event.signed
    checkpoints[#checkpoints + 1] = event.artifact
  elseif event.type == 'alarm' then
    alarms[#alarms + 1] = event
  elseif event.type == 'window' then
    tested = event
  end
end
if holder ~= owner then
  -- Nobody will ever start from these, unless a report whose answer was lost has listed them.
  discard(id, checkpoints)
  return 'lost'
end
local lease_until = now_ms() + tonumber(lease_ms)
redis.call('HSET', KEY.job .. id, 'lease_until', lease_until, 'told', math.max(sent, sent_before + #ARGV - 6))
redis.call('ZADD', KEY.leases, lease_until, id)
if #checkpoints > 0 then
  list_checkpoints(id, checkpoints, tonumber(keep))
end
for _, event in ipairs(events) do
  local event_id = append_text(id, event)
  if event == progress then
    note_progress(id, event, event_id)
  end
end
for _, event in ipairs(alarms) do
  raise_once({ id = id .. ' ' .. event.once, what = event.what, model = event.model, job = id, text = event.text,
    figures = event.figures })
end
if tested then
  note_window(id, tested)
end
if #events > 0 then
  note_activity(id)
end
return cancel and 'cancel' or paused and 'pause' or 'ok'
