-- Counts what was learned of an answer: whether it was right. ARGV: model, number of the version that gave it, 1 if it was
judge_answer(ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1')
return 1
