/** Commands of the protocol by name: what their bodies hold when read, and what can be written. */
import { commands, type Messages } from './gen/protocol.js'

export type CommandName = keyof typeof commands

type MessageOf<Name extends CommandName> = Messages[(typeof commands)[Name][1]]

/** The body of a command as it is read: lists are always there, optional fields only where they were sent. */
export type Body<Name extends CommandName> = MessageOf<Name>

/** A body to write: lists may be left out. */
export type Writable<Message> = {
  [Field in keyof Message as Message[Field] extends unknown[] ? never : Field]: Message[Field]
} & {
  [Field in keyof Message as Message[Field] extends unknown[] ? Field : never]?: Message[Field] | undefined
}

/** The requests, by what their name begins with: `GROUP_INFO` for GROUP_INFO_REQ and GROUP_INFO_RSP. */
export type Question = {
  [Name in CommandName]: Name extends `${infer Start}_REQ`
    ? `${Start}_RSP` extends CommandName
      ? Start
      : never
    : never
}[CommandName]

export type Asked<Name extends Question> = Writable<Body<`${Name}_REQ` & CommandName>>
export type Told<Name extends Question> = Body<`${Name}_RSP` & CommandName>

const namesById = new Map<number, CommandName>(
  Object.entries(commands).map(([name, [id]]) => [id, name as CommandName]),
)

/** The name of a command id; undefined for one that is newer than this library. */
export const commandName = (id: number): CommandName | undefined => namesById.get(id)
