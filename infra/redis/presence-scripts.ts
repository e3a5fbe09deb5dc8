/**
 * What happens to one user's presence, each as one step: scripts on presence:{user}. That is one string, a line
 * per device, so that the devices of many users are read by one command.
 */
import type { Redis } from 'ioredis'
import { type DeviceName, deviceKey } from '../../schemas/ids.js'
import type { LoginPolicy } from '../../workers/ports/presence.js'
import { script } from './client.js'

/** JSON has no bare newline or tab: a line is an entry, or the entry, what it replaced and what had ended. */
const lines = `
local function firstOf(line) return string.match(line, '^[^\\t]+') end
local function belowOf(line) return string.match(line, '^[^\\t]+\\t(.*)$') or '' end
local function linesOf(key) return string.gmatch(redis.call('GET', key) or '', '[^\\n]+') end
local function keep(key, kept)
  if #kept == 0 then redis.call('DEL', key) else redis.call('SET', key, table.concat(kept, '\\n')) end
end
`

/**
 * Finds who stands where a login wants to stand; refuses it when one of those has a higher login number. Rivals are
 * the entries that the policy does not let stand beside it. An entry of an earlier start of the same gate is dead,
 * whatever its number.
 */
const rivalry = `
${lines}
local device, line, rivals = ARGV[1], ARGV[2], ARGV[3]
local gate, epoch, number = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])

local function isRival(other)
  if other == device or rivals == '*' then return true end
  return rivals ~= '' and string.find(rivals, ',' .. string.match(other, '^%d+') .. ',', 1, true) ~= nil
end

local kept, replaced, ended = {}, {}, {}
local same
for other in linesOf(KEYS[1]) do
  local first = firstOf(other)
  local entry = cjson.decode(first)
  if not isRival(entry.d) then
    table.insert(kept, other)
  elseif entry.g == gate and entry.e < epoch then
    table.insert(ended, first)
  elseif entry.n > number then
    return false
  elseif entry.n == number and entry.d == device then
    same = other
  else
    table.insert(replaced, first)
  end
end
`

/** Answers nil (refused) or what it replaced and what had ended, '' for nothing. */
const login = script(
  'presenceLogin',
  `${rivalry}
if same then return belowOf(same) end
local below = ''
if #replaced + #ended > 0 then
  below = '[' .. table.concat(replaced, ',') .. ']\\t[' .. table.concat(ended, ',') .. ']'
  line = line .. '\\t' .. below
end
table.insert(kept, line)
keep(KEYS[1], kept)
return below
`,
)

/**
 * Answers nil (refused), '' (it was gone), or the entry that stood there for the same login. That one only gets the
 * new stamp: the login knew more of the client than its gate does.
 */
const register = script(
  'presenceRegister',
  `${rivalry}
local first = same and firstOf(same)
if same then line = string.gsub(same, '"s":%d+', '"s":' .. ARGV[7], 1) end
table.insert(kept, line)
keep(KEYS[1], kept)
return first or ''
`,
)

const thisLogin = `
${lines}
local device, gate, epoch, number, stamp = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local kept = {}
local held = false
local removed = false
for line in linesOf(KEYS[1]) do
  local first = firstOf(line)
  local entry = cjson.decode(first)
  local isThis = entry.d == device and entry.g == gate and entry.e == epoch and entry.n == number
  if isThis and (stamp == '' or entry.s == tonumber(stamp)) then
    removed = first
  else
    held = held or entry.d == device
    table.insert(kept, line)
  end
end
if removed then keep(KEYS[1], kept) end
`

/** Answers nil where the place is not this login's (or, with a stamp, not this registration's), else what was removed. */
const remove = script('presenceRemove', `${thisLogin}\nreturn removed`)

/**
 * The same for its own gate, who may not hear the answer and asks again: what was removed is noted under KEYS[2], and
 * answered to each repeat. The second part of the answer is 1 where the device has another login by then.
 */
const leave = script(
  'presenceLeave',
  `${thisLogin}
if removed then
  redis.call('SET', KEYS[2], removed, 'PX', ARGV[6])
else
  removed = redis.call('GET', KEYS[2])
end
return removed and {removed, held and 1 or 0}
`,
  2,
)

export const presenceScripts = (redis: Redis) => ({
  login: login(redis),
  register: register(redis),
  remove: remove(redis),
  leave: leave(redis),
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
