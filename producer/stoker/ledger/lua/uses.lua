-- What uses a model beside its aliases. Shared by the scripts that take versions or names away.

-- Whether jobs name a model that were taken in behind a place in the order of submission, or are about to be. Who asks has
-- looked at all jobs before that place: this is what came meanwhile.
local function is_named_since(model, sequence)
  local function is_of(ref)
    return ref == model or string.sub(ref, 1, #model + 1) == model .. '@' or string.sub(ref, 1, 4) == 'job:'
  end
  for _, kind in ipairs(all_kinds()) do
    for _, state in ipairs({ 'WAITING', 'QUEUED', 'RUNNING' }) do
      for _, index in ipairs(indexes_of(kind, state)) do
        for _, id in ipairs(redis.call('ZRANGEBYSCORE', index, '(' .. sequence, '+inf')) do
          local makes, reads = unpack(record(id, 'makes', 'model'))
          for ref in string.gmatch((makes or '') .. ' ' .. (reads or ''), '%S+') do
            if is_of(ref) then
              return true
            end
          end
        end
      end
    end
  end
  for _, list in ipairs(redis.call('SMEMBERS', KEY.intakes)) do
    for _, chunk in ipairs(redis.call('HVALS', KEY.intake .. list)) do
      if string.find(chunk, model, 1, true) then
        return true
      end
    end
  end
  return false
end

-- A version of any model that was made from one of these, by reference, and is none of them: the parent and the child.
local function child_of(refs)
  for _, model in ipairs(redis.call('SMEMBERS', KEY.models)) do
    local versions = redis.call('HGETALL', KEY.model .. model)
    for n = 1, #versions, 2 do
      local child = model .. '@' .. versions[n]
      -- As text: a parent is one reference, and in any other text a quote is escaped.
      for parent in string.gmatch(versions[n + 1], '"parent":%s*"([^"]+)"') do
        if refs[parent] and not refs[child] then
          return parent, child
        end
      end
    end
  end
end
