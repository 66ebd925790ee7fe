-- Samples a model for an attempt of its Monitor, and gives it the next window. ARGV: id, owner, model, version, what is
-- sampled (JSON, see sampling.py), how many windows the job has tested
-- Returns {'lost'}; {'taken', the job that samples the model}; or {'ok', rows that wait for the windows to come, rows dropped,
--   rows kept so far, labels so far, outcomes of the newest labels …, '', batches …}: none as long as they make no window.
local id, owner, model, ref, sampled, tested = unpack(ARGV)
if redis.call('HGET', KEY.job .. id, 'owner') ~= owner then
  return { 'lost' }
end
local before, wanted = sampling_of(model), cjson.decode(sampled)
if before and before.job ~= id and is_live(before.job) then
  return { 'taken', before.job }
elseif before and before.job ~= id then
  end_sampling(before.job, model)
end
-- As it came: an empty list would not come back as one.
redis.call('HSET', KEY.sampling, model, string.sub(sampled, 1, -2) .. ',"job":' .. cjson.encode(id) .. '}')
redis.call('HSET', KEY.job .. id, 'samples', model)

local counts, list, taken = KEY.sampled .. model, KEY.samples .. ref, KEY.taken_samples .. id
local function count(what)
  return tonumber(redis.call('HGET', counts, ref .. ' ' .. what) or nil) or 0
end
-- What versions before have left is of no use any more.
for _, field in ipairs(redis.call('HKEYS', counts)) do
  local its_ref, what = string.match(field, '^(%S+) (%S+)$')
  if its_ref ~= ref and what == 'rows' then
    redis.call('DEL', KEY.samples .. its_ref)
    redis.call('HDEL', counts, its_ref .. ' rows', its_ref .. ' bytes')
  end
end
-- An attempt before this one may have been lost with the same window.
if redis.call('HGET', counts, 'testing') ~= ref .. ' ' .. tested then
  redis.call('DEL', taken)
  local rows, bytes = 0, 0
  while count('rows') >= wanted.window and rows < wanted.window do
    local batch = redis.call('LPOP', list)
    if not batch then
      redis.call('HDEL', counts, ref .. ' rows', ref .. ' bytes')
      break
    end
    local its_rows = rows_of(batch)
    rows, bytes = rows + its_rows, bytes + #batch
    redis.call('RPUSH', taken, batch)
    if rows >= wanted.window then
      redis.call('HINCRBY', counts, ref .. ' rows', -rows)
      redis.call('HINCRBY', counts, ref .. ' bytes', -bytes)
      redis.call('HSET', counts, 'testing', ref .. ' ' .. tested)
    end
  end
end
local answer = { 'ok', count('rows'), count('dropped'), count('kept'), count('labels') }
for _, outcome in ipairs(redis.call('LRANGE', KEY.outcomes .. ref, 0, -1)) do
  answer[#answer + 1] = outcome
end
answer[#answer + 1] = ''
for _, batch in ipairs(redis.call('LRANGE', taken, 0, -1)) do
  answer[#answer + 1] = batch
end
return answer
