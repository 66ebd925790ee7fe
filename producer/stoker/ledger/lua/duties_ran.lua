-- Notes how duties of the leading controller ended. ARGV: of each run the duty, how long it took (ms), what failed
--   ('' for nothing)
if not ({ hash = true, none = true })[type_of(KEY.duties)] then
  redis.call('DEL', KEY.duties)
end
for n = 1, #ARGV, 3 do
  local name, took_ms, failure = ARGV[n], tonumber(ARGV[n + 1]), ARGV[n + 2]
  local is_json, duty = pcall(cjson.decode, redis.call('HGET', KEY.duties, name) or '{}')
  duty = is_json and type(duty) == 'table' and duty or {}
  local function add(field, by)
    duty[field] = (tonumber(duty[field]) or 0) + by
  end
  add('runs', 1)
  add('busy_ms', took_ms)
  add('failures', failure ~= '' and 1 or 0)
  duty.ran_at = now_ms()
  duty.failing_since = failure ~= '' and (tonumber(duty.failing_since) or now_ms()) or nil
  duty.failure = failure ~= '' and failure or nil
  redis.call('HSET', KEY.duties, name, cjson.encode(duty))
end
