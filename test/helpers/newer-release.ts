/** Events as a newer release writes them: with a field more in every message, at every depth. */
import protobuf from 'protobufjs'
import { protoFiles } from '../schemas/proto-files.js'

const number = 5_000
/** What the field more says, wherever it is. */
export const fromTheFuture = 'only a newer release knows this'

/** The messages of this checkout. */
export const messagesNow = (): protobuf.Root =>
  new protobuf.Root().loadSync([...protoFiles()], { keepCase: true })

const typesIn = (namespace: protobuf.NamespaceBase): protobuf.Type[] =>
  namespace.nestedArray.flatMap((item) => [
    ...(item instanceof protobuf.Type ? [item] : []),
    ...(item instanceof protobuf.Namespace ? typesIn(item) : []),
  ])

/** The same messages, each with one field more. */
export function messagesOfNewerRelease(): protobuf.Root {
  const root = messagesNow()
  for (const type of typesIn(root))
    type.add(new protobuf.Field('from_the_future', number, 'string', 'optional'))
  return root
}

/** Every message that our parts say to each other, by its full name. */
export const eventTypes = (root: protobuf.Root): protobuf.Type[] =>
  typesIn(root.lookup('coffeechat.event') as protobuf.Namespace)

const deepest = 6

function sampleValue(
  field: protobuf.Field,
  depth: number,
  isWanted: (field: protobuf.Field) => boolean,
): unknown {
  const type = field.resolve().resolvedType
  if (type instanceof protobuf.Type) return sampleOf(type, isWanted, depth + 1)
  if (type instanceof protobuf.Enum) return Object.values(type.values)[0]
  if (field.name === 'from_the_future') return fromTheFuture
  if (field.type === 'string') return field.name
  if (field.type === 'bytes') return Buffer.from(field.name)
  return field.type === 'bool' ? true : field.id
}

/** A message with a value in each field that is wanted; required ones always have one. */
export function sampleOf(
  type: protobuf.Type,
  isWanted: (field: protobuf.Field) => boolean = () => true,
  depth = 0,
): Record<string, unknown> {
  const fields = type.fieldsArray.filter((each) => each.required || (depth < deepest && isWanted(each)))
  return Object.fromEntries(
    fields.map((field) => {
      const value = sampleValue(field, depth, isWanted)
      return [field.name, field.repeated ? [value, value] : value]
    }),
  )
}
