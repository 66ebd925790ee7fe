-- Notes who did what, in the step that does it: see security/audit. Shared by the scripts that are told who runs them: the
-- connection names its Redis user, and where it is, before a script's own arguments.
local USER, ORIGIN = table.remove(ARGV, 1), table.remove(ARGV, 1)
-- By the user's name: so the server's own rules say who may write there.
local JOURNAL = KEY.audit .. USER
local is_audited = redis.call('EXISTS', KEY.auditing) == 1

-- Before anything is written: what cannot be noted is not done.
if is_audited and server.acl_check_cmd
  and not (server.acl_check_cmd('XADD', JOURNAL, '*', 'entry', '') and server.acl_check_cmd('SADD', KEY.audits, USER)) then
  return server.error_reply('NOPERM this user may not write to ' .. JOURNAL .. ' and ' .. KEY.audits)
end

-- Notes an entry: `what` was done, and to what (`about`); where there are any, `who` has, if that is not the Redis user, the
-- `tenant`, a `text`, and an `id`.
local function audit(entry)
  if not is_audited then
    return
  end
  if redis.call('EXISTS', JOURNAL) == 0 then
    redis.call('SADD', KEY.audits, USER)
  end
  entry.by = ORIGIN
  redis.call('XADD', JOURNAL, '*', 'entry', cjson.encode(entry))
end

-- Notes jobs that are taken in, those of one shape together. `chunk` is what intake.py encodes; `text` says more, if anything.
local function audit_jobs(what, chunk, text)
  if not is_audited then
    return
  end
  local ids = {}
  for _, job in ipairs(chunk.jobs) do
    ids[job[2]] = ids[job[2]] or {}
    table.insert(ids[job[2]], job[1])
  end
  for number, of_shape in pairs(ids) do
    local shape, summary = chunk.shapes[number], ''
    for n = 1, #shape.record, 2 do
      summary = shape.record[n] == 'summary' and shape.record[n + 1] or summary
    end
    audit({ what = what, about = table.concat(of_shape, ' '), tenant = shape.tenant,
      text = shape.kind .. ' ' .. summary .. (text or '') })
  end
end

local function audit_job(what, id, text)
  if not is_audited then
    return
  end
  audit({ what = what, about = id, tenant = redis.call('HGET', KEY.job .. id, 'tenant') or nil, text = text })
end
