-- List: the user's sessions, expired ones included. Records of another version
-- are left out.
--
-- KEYS[1]  the user's hash
-- Reply:   now (6 bytes), then id (16 bytes) and record (29 bytes) of each.

local all = redis.call('HGETALL', KEYS[1])
local parts = { packed(now) }
for i = 1, #all, 2 do
  local field, v = all[i], all[i + 1]
  if #field == 16 and readable(v) then
    parts[#parts + 1] = field
    parts[#parts + 1] = v
  end
end
return table.concat(parts)
