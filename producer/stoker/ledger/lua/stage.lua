-- Keeps a chunk of a long list of jobs until the list is accepted or expires. ARGV: list, number, jobs (JSON), seconds
local key = KEY.intake .. ARGV[1]
redis.call('HSET', key, ARGV[2], ARGV[3])
redis.call('EXPIRE', key, ARGV[4])
