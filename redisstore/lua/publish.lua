-- Publish: adds a notice to the feed and removes notices that are older than keep.
--
-- KEYS[1]  the stream
-- ARGV[1]  how long a notice is kept, in milliseconds
-- ARGV[2]  its kind, "end" or "reload"
-- ARGV[3]  the user
-- ARGV[4]  the session, or empty for all of the user's
-- ARGV[5]  the Unix second up to which the tokens concerned were issued
-- Reply:   empty.

local keep = tonumber(ARGV[1])
local time = redis.call('TIME')
local oldest = time[1] * 1000 + math.floor(time[2] / 1000) - keep
redis.call('XADD', KEYS[1], 'MINID', '~', string.format('%.0f', math.max(oldest, 0)), '*',
  'kind', ARGV[2], 'user', ARGV[3], 'session', ARGV[4], 'until', ARGV[5])
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', 2 * keep))
return ''
