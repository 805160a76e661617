-- Publish: adds a notice to the feed and removes notices that are older than keep.
--
-- The ids of a stream never decrease. After the server's clock has been set back, new entries get
-- ids of the former time, and none of them looks old before the clock gets there. If that takes
-- longer than keep, the script keeps the newest 100,000 entries or slightly more instead. A running
-- process has read the others long before. A process that starts then lacks notices only if there
-- were more than 100,000 within keep.
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
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, value = 'MINID', math.max(now - keep, 0)
if redis.call('XRANGE', KEYS[1], string.format('%.0f', now + keep + 1), '+', 'COUNT', 1)[1] then
  limit, value = 'MAXLEN', 100000
end
redis.call('XADD', KEYS[1], limit, '~', string.format('%.0f', value), '*',
  'kind', ARGV[2], 'user', ARGV[3], 'session', ARGV[4], 'until', ARGV[5])
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', 2 * keep))
return ''
