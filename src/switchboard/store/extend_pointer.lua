-- Confirm a snapshot: let the pointer live for a whole TTL again, if it still names this snapshot.
-- KEYS: pointer, lease   ARGV: owner:epoch, snapshot, TTL in ms
-- -> 'extended', 'lease' (the lease is not ours) or 'gone' (there is no pointer, or it names another snapshot)
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 'lease'
end
local current = redis.call('GET', KEYS[1])
local readable, manifest = pcall(cjson.decode, current or '')
if not readable or type(manifest) ~= 'table' or manifest.snapshot ~= ARGV[2] then
  return 'gone'
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 'extended'
