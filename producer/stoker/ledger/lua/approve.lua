-- Says to a job that asks for it whether it may go on. ARGV: id, Redis user, 1 if it may, note
-- Who may not write to stoker:approvals:<role> is refused by the server, whatever name the caller gives.
-- Returns {'ok'}; or, when nothing was written: {'missing'}, {'state', state}, {'early'} (it waits for something else first),
--   {'none'} (it asks for no approval), {'late'} (it has been heard, or is decided), {'role', role} (the settings name none),
--   {'user', role, the users who have it} (the user is none of them), {'said', JSON} (somebody has said something before).
local id, user, is_granted, note = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4]
local state, spec, kept = unpack(record(id, 'state', 'spec', 'kept'))
if not state then
  return { 'missing' }
end
local is_json, asked = pcall(cjson.decode, spec or '')
local role = is_json and type(asked) == 'table' and asked.approval
if type(role) ~= 'string' then
  return { 'none' }
elseif not (YET_TO_START[state] or state == 'RUNNING') then
  return { 'state', state }
end
local is_rollout, rollout = pcall(cjson.decode, kept or '')
if not is_rollout or type(rollout) ~= 'table' then
  return { 'early' }
elseif type(rollout.approval) == 'table' or type(rollout.outcome) == 'string' then
  return { 'late' }
elseif state ~= 'WAITING' then
  return { 'early' }
end
local function refused(why)
  audit_job('refused', id, 'an approval: ' .. user .. ' has not the role ' .. role)
  return why
end
local listed = redis.call('HGET', KEY.roles, role)
if not listed then
  return refused({ 'role', role })
elseif not string.find(' ' .. listed .. ' ', ' ' .. user .. ' ', 1, true) then
  return refused({ 'user', role, listed })
end
local said = cjson.encode({ role = role, by = user, at = now_ms() / 1000, is_granted = is_granted, note = note })
local before = redis.call('HGET', KEY.approvals .. role, id)
if before then
  local _, other = pcall(cjson.decode, before)
  local is_same = type(other) == 'table' and other.by == user and other.is_granted == is_granted and other.note == note
  return is_same and { 'ok' } or { 'said', before }
end
audit_job(is_granted and 'approved' or 'declined', id, note ~= '' and note or nil)
redis.call('HSET', KEY.approvals .. role, id, said)
redis.call('EXPIRE', KEY.approvals .. role, 60 * 24 * 3600)
return { 'ok' }
