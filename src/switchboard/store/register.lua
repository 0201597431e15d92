-- Add a source to the list. A key that holds another type of value holds no list: it is replaced.
-- KEYS: sources   ARGV: place, source   -> 1, or 2 if the key was replaced
local answer = redis.pcall('ZADD', KEYS[1], ARGV[1], ARGV[2])
if is_wrong_type(answer) then
  redis.call('DEL', KEYS[1])
  redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
  return 2
elseif type(answer) == 'table' and answer.err then
  return answer
end
return 1
