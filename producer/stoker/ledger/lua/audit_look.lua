-- Switches the audit on or off, and reads what is not sealed. ARGV: 1 if it is to be on, how many entries of a user to read
-- Returns {the fields of what is sealed, {user, how many entries there ever were (-1 where the server does not count them,
--   -2 where the stream is gone), {entry's id, JSON, …}}, …}.
local is_wanted = ARGV[1] == '1'
if is_wanted and not is_audited then
  is_audited = true
  redis.call('SET', KEY.auditing, 1)
  audit({ what = 'audit on' })
elseif is_audited and not is_wanted then
  audit({ what = 'audit off' })
  redis.call('DEL', KEY.auditing)
end

local function read(user)
  local stream, ever, entries = KEY.audit .. user, -2, {}
  local _, after = string.match(redis.call('HGET', KEY.audit_heads, 'user ' .. user) or '', '^(%d+) (%d+%-%d+)$')
  for _, entry in ipairs(redis.call('XRANGE', stream, after and '(' .. after or '-', '+', 'COUNT', ARGV[2])) do
    entries[#entries + 1], entries[#entries + 2] = entry[1], entry[2][2] or ''
  end
  if redis.call('EXISTS', stream) == 1 then
    local about = redis.call('XINFO', 'STREAM', stream)
    ever = -1
    for n = 1, #about, 2 do
      ever = about[n] == 'entries-added' and about[n + 1] or ever
    end
  end
  return { user, ever, entries }
end

local answer = { redis.call('HGETALL', KEY.audit_heads) }
for _, user in ipairs(redis.call('SMEMBERS', KEY.audits)) do
  answer[#answer + 1] = read(user)
end
return answer
