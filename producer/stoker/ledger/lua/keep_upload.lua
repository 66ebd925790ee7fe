-- Notes an upload, or that it is kept longer. ARGV: its reference, its record as JSON, for how many ms it is kept.
-- Of two records the one that is kept longer stays.
local ref, record, keep_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local is_json, old = pcall(cjson.decode, redis.call('HGET', KEY.uploads, ref) or '')
local kept_s = is_json and type(old) == 'table' and tonumber(old.keep_s) or -1
if kept_s * 1000 < keep_ms then
  redis.call('HSET', KEY.uploads, ref, record)
end
redis.call('ZADD', KEY.uploads_until, 'GT', now_ms() + keep_ms, ref)
