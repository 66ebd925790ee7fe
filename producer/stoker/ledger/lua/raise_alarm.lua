-- Raises an alarm once. ARGV: the alarm (JSON), whose `id` tells a repeat. Returns the alarm's place in the stream.
return raise_once(cjson.decode(ARGV[1]))
