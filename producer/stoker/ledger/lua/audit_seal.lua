-- Notes up to what the audit is sealed, and empties the streams up to there. ARGV: JSON of `was` and `becomes`, fields of what is
-- sealed before and after, "" for none; and of `keep`: by user, the first id that stays, "" where no other can follow.
-- Of `user <name>`: how many entries are sealed, and the last one's id; of `tenant <name>`: how many, and the last one's SHA-256.
-- Returns 1, or 0 if another controller was first; nothing was written then.
local seal = cjson.decode(ARGV[1])
for field, value in pairs(seal.was) do
  if (redis.call('HGET', KEY.audit_heads, field) or '') ~= value then
    return 0
  end
end
for field, value in pairs(seal.becomes) do
  redis.call('HSET', KEY.audit_heads, field, value)
end
for user, first in pairs(seal.keep) do
  if first == '' then
    redis.call('DEL', KEY.audit .. user)
  else
    redis.call('XTRIM', KEY.audit .. user, 'MINID', first)
  end
end
return 1
