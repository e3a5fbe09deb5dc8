/** What happens to one user's presence, each as one step: scripts on the hash presence:{user}. */
import type { Redis } from 'ioredis'
import { type DeviceName, deviceKey } from '../../schemas/ids.js'
import type { LoginPolicy } from '../../workers/ports/presence.js'
import { script } from './client.js'

/**
 * Gives a login its place unless a higher login number holds it. Rivals are the entries that the policy does not
 * let stand beside it. An entry of an earlier start of the same gate is dead, whatever its number.
 * The new entry is written last of all, so that a script that is cut short by an error leaves it out.
 */
const rivalry = `
local entries = redis.call('HGETALL', KEYS[1])
local field, line, rivals = ARGV[1], ARGV[2], ARGV[3]
local gate, epoch, number = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])

local function isRival(other)
  if other == field or rivals == '*' then return true end
  return rivals ~= '' and string.find(rivals, ',' .. string.match(other, '^%d+') .. ',', 1, true) ~= nil
end

local function firstLine(entry)
  local stop = string.find(entry, '\\n', 1, true)
  return stop and string.sub(entry, 1, stop - 1) or entry
end

local replaced, ended, leaving = {}, {}, {}
local same
for i = 1, #entries, 2 do
  local other = entries[i]
  if isRival(other) then
    local first = firstLine(entries[i + 1])
    local entry = cjson.decode(first)
    if entry.g == gate and entry.e < epoch then
      table.insert(ended, first)
      table.insert(leaving, other)
    elseif entry.n > number then
      return false
    elseif entry.n == number and other == field then
      same = entries[i + 1]
    else
      table.insert(replaced, first)
      table.insert(leaving, other)
    end
  end
end
`

/** Answers nil (refused) or the lines below the entry: what it replaced and what had ended, '' for nothing. */
const login = `${rivalry}
if same then
  local stop = string.find(same, '\\n', 1, true)
  return stop and string.sub(same, stop + 1) or ''
end
local below = ''
if #leaving > 0 then
  below = '[' .. table.concat(replaced, ',') .. ']\\n[' .. table.concat(ended, ',') .. ']'
  redis.call('HDEL', KEYS[1], unpack(leaving))
end
redis.call('HSET', KEYS[1], field, below == '' and line or line .. '\\n' .. below)
return below
`

/** Answers nil (refused), '' (it was gone), or the first line of what stood there for the same login. */
const register = `${rivalry}
if #leaving > 0 then redis.call('HDEL', KEYS[1], unpack(leaving)) end
if not same then
  redis.call('HSET', KEYS[1], field, line)
  return ''
end
local first = firstLine(same)
redis.call('HSET', KEYS[1], field, line .. string.sub(same, #first + 1))
return first
`

/** Answers nil where the place is not this login's (or, with a stamp, not this registration's), else what was removed. */
const remove = `
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if not entry then return false end
local stop = string.find(entry, '\\n', 1, true)
local first = stop and string.sub(entry, 1, stop - 1) or entry
local held = cjson.decode(first)
if held.g ~= ARGV[2] or held.e ~= tonumber(ARGV[3]) or held.n ~= tonumber(ARGV[4]) then return false end
if ARGV[5] ~= '' and held.s ~= tonumber(ARGV[5]) then return false end
redis.call('HDEL', KEYS[1], ARGV[1])
return first
`

export const presenceScripts = (redis: Redis) => ({
  login: script(redis, 'presenceLogin', login),
  register: script(redis, 'presenceRegister', register),
  remove: script(redis, 'presenceRemove', remove),
})

const mobile = ',1,2,'
const desktop = ',5,6,'
const classes: Readonly<Record<number, string>> = { 1: mobile, 2: mobile, 5: desktop, 6: desktop }

/**
 * The client types that may not be online beside this device: `,1,2,`, or `*` for all, or '' for only the
 * same device. The web is a class of its own.
 */
export function rivalTypes(policy: LoginPolicy, { client_type }: DeviceName): string {
  if (policy === 'single') return '*'
  if (policy === 'unlimited') return ''
  const own = `,${client_type},`
  return policy === 'one-per-class' ? (classes[client_type] ?? own) : own
}

/** True where a login of `other` takes the place of one of `device`. */
export function areRivals(policy: LoginPolicy, device: DeviceName, other: DeviceName): boolean {
  const types = rivalTypes(policy, device)
  return types === '*' || types.includes(`,${other.client_type},`) || deviceKey(device) === deviceKey(other)
}
