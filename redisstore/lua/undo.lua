-- Undo: a session that Create has made goes, unless anything has become of it
-- since.
--
-- KEYS[1]  the user's hash
-- ARGV[1]  the session's id
-- ARGV[2]  the record as Create has returned it
-- Reply:   empty.

if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return ''
