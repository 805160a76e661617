-- Undo: removes a session that Create has made, unless the session has changed since.
--
-- KEYS[1]  the user's hash
-- ARGV[1]  the session's id
-- ARGV[2]  the record as Create returned it, without its details
-- Reply:   empty.

local v = redis.call('HGET', KEYS[1], ARGV[1])
if v and v:sub(1, 29) == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return ''
