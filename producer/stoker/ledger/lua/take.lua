-- Takes an inference request, for one worker only. ARGV: id. Answers {model, input tensors}, or two times false.
local request = redis.call('HMGET', KEY.request .. ARGV[1], 'model', 'inputs')
redis.call('DEL', KEY.request .. ARGV[1])
return request
