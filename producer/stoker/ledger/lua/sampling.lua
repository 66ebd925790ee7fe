-- What a Monitor samples of a model's requests. Shared by the scripts that write, take or end it.
--
-- Its job must not have ended: what has been sampled goes in the step in which that does.

-- What of a model is sampled, and for which job; nil where nothing is.
local function sampling_of(model)
  local is_json, wanted = pcall(cjson.decode, redis.call('HGET', KEY.sampling, model) or 'null')
  return is_json and type(wanted) == 'table' and type(wanted.job) == 'string' and wanted or nil
end

-- Whether a job has not ended, and is still known.
local function is_live(id)
  local state = redis.call('HGET', KEY.job .. id, 'state')
  return YET_TO_START[state] or state == 'RUNNING'
end

-- How many rows a batch has, which begins with that as uint32; 0 for one that something else has written.
local function rows_of(batch)
  return #batch >= 4 and struct.unpack('<I4', batch) or 0
end

-- Ends the sampling for a job, if it has not been taken over by another.
local function end_sampling(id, model)
  redis.call('DEL', KEY.taken_samples .. id)
  local wanted = sampling_of(model)
  if not wanted or wanted.job ~= id then
    return
  end
  redis.call('HDEL', KEY.sampling, model)
  for _, field in ipairs(redis.call('HKEYS', KEY.sampled .. model)) do
    local ref = string.match(field, '^(%S+) ')
    if ref then
      redis.call('DEL', KEY.samples .. ref, KEY.outcomes .. ref)
    end
  end
  redis.call('DEL', KEY.sampled .. model, KEY.answered .. model, KEY.answered_at .. model)
end

-- Notes of the newest window, for metrics, how many there were and how many columns differ in it.
local function note_window(id, window)
  local model = string.match(window.model, '^[^@]+')
  local wanted = sampling_of(model)
  if wanted and wanted.job == id then
    redis.call('HSET', KEY.sampled .. model, window.model .. ' windows', window.number, window.model .. ' differ',
      #window.differs)
  end
end
