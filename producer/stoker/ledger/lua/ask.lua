-- Puts an inference request and rings for it. ARGV: id, lifetime in ms, model, input tensors, queue
redis.call('HSET', KEY.request .. ARGV[1], 'model', ARGV[3], 'inputs', ARGV[4])
redis.call('PEXPIRE', KEY.request .. ARGV[1], ARGV[2])
push_message('stoker.predict', ARGV[1], ARGV[5], 'normal', ARGV[3])
