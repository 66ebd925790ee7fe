-- Puts a message aside that is no job of ours. ARGV: reason, its description (JSON), how many to keep
put_aside(ARGV[1], ARGV[2], tonumber(ARGV[3]))
