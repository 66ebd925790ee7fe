-- Looks an upload up, and begins its time anew. ARGV: its reference. Returns its record and the end of its time, ms; nil
-- where there is none.
local ref = ARGV[1]
local record = redis.call('HGET', KEY.uploads, ref)
if not record then
  return nil
end
local is_json, upload = pcall(cjson.decode, record)
local keep_s = is_json and type(upload) == 'table' and tonumber(upload.keep_s) or 0
redis.call('ZADD', KEY.uploads_until, 'GT', now_ms() + keep_s * 1000, ref)
return { record, redis.call('ZSCORE', KEY.uploads_until, ref) }
