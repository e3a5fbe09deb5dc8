/**
 * What a worker is. One worker = one consumer group = one file that says what it consumes, what it may
 * produce, and what to do with an event. Everything else (decoding, retries, dead letters, offsets) is the
 * runner's, written once.
 */
import type { AnyTopic, EventOf } from '../../schemas/topics.js'
import { markedTrace, type Trace } from '../../schemas/tracing.js'

/** Publish this event. `instance` names the gate where the topic is one per gate. */
export interface Emit<T extends AnyTopic = AnyTopic> {
  readonly kind: 'emit'
  readonly topic: T
  readonly event: EventOf<T>
  readonly instance?: string
  /** Where it is not that of the event which it follows from. */
  readonly trace?: Trace
}

/** This event can never be used: to the dead letters, with the reason. */
export interface Reject {
  readonly kind: 'reject'
  readonly reason: string
}

/** Store this row, with the others of the batch, in one transaction. */
export interface Save<Row> {
  readonly kind: 'save'
  readonly row: Row
}

// Distributes over a union of topics, so that each event must fit its own topic.
export type EmitOf<T extends AnyTopic> = T extends AnyTopic ? Emit<T> : never
export type Outcome<Produced extends AnyTopic, Row> = EmitOf<Produced> | Reject | Save<Row>

export const emit = <T extends AnyTopic>(topic: T, event: EventOf<T>, instance?: string): Emit<T> =>
  instance === undefined ? { kind: 'emit', topic, event } : { kind: 'emit', topic, event, instance }

/** These follow from one part of the event, and belong to its trace. */
export function following<T extends Emit>(part: object, emits: readonly T[]): readonly T[] {
  const trace = markedTrace(part)
  return trace === undefined ? emits : emits.map((each) => ({ ...each, trace }))
}

export const reject = (reason: string): Reject => ({ kind: 'reject', reason })
export const save = <Row>(row: Row): Save<Row> => ({ kind: 'save', row })

/** Where an event stood on the bus: its number, and the broker's time of it. */
export interface Place {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** ms, the broker's clock. */
  readonly appended: number
  /** What the event belongs to, where somebody traces it. */
  readonly trace?: Trace
}

export interface WorkerDefinition<
  Consumed extends AnyTopic,
  Produced extends AnyTopic,
  Ports,
  Loaded,
  Row,
  Saved,
> {
  /** = file = consumer group = log and metric label. */
  readonly name: string
  readonly consumes: Consumed
  /** Larger batches are handled in slices of so many events, each published before the next: where answers are long. */
  readonly eventsAtOnce?: number
  /** `save` may throw Postponed: batches are of one partition, and no larger than `eventsAtOnce`. */
  readonly postpones?: true
  readonly produces: readonly Produced[]
  /** The only await before deciding: one read for the whole batch. */
  readonly load?: (
    events: readonly EventOf<Consumed>[],
    ports: Ports,
    places: readonly Place[],
  ) => Promise<Loaded>
  /** Pure: what to do, as data. */
  readonly decide: (
    event: EventOf<Consumed>,
    loaded: Loaded,
    place: Place,
  ) => readonly Outcome<Produced, Row>[]
  /** All rows of a batch in one transaction; the answer is one element per row, in order. */
  readonly save?: (rows: readonly Row[], ports: Ports, places: readonly Place[]) => Promise<readonly Saved[]>
  /** Pure: what follows from a row that was saved. */
  readonly saved?: (row: Row, result: Saved) => readonly EmitOf<Produced>[]
  /** Pure: why the event of a row goes to the dead letters after all; undefined where it does not. */
  readonly givenUp?: (row: Row, result: Saved) => string | undefined
  /** Offsets are committed only by `checkpoint`, run by cron: what is handled before it is kept elsewhere until then. */
  readonly checkpoint?: Checkpoint<Ports, Produced>
}

/** For a worker whose work is durable only after a later flush (ack-tracker). */
export interface Checkpoint<Ports, Produced extends AnyTopic> {
  /** Partitions newly owned: prepare, before the first batch. */
  readonly begin: (partitions: readonly number[], ports: Ports) => Promise<void>
  /**
   * Makes durable what these partitions brought. False: it was lost, read again from the committed offsets.
   * @param publish resolves when the bus has what is to be told of it
   */
  readonly flush: (
    partitions: readonly number[],
    ports: Ports,
    publish: (events: readonly EmitOf<Produced>[]) => Promise<void>,
  ) => Promise<boolean>
  /** All records up to this time (ms) have been handled in these partitions. False: something was lost, as above. */
  readonly progress: (partitions: readonly number[], time: number, ports: Ports) => Promise<boolean>
}

// biome-ignore lint/suspicious/noExplicitAny: a worker of whatever types
export type AnyWorker = WorkerDefinition<any, any, any, any, any, any>

/** Names a worker and checks its types: emitting to a topic that is not in `produces` does not compile. */
export const defineWorker = <
  Consumed extends AnyTopic,
  Produced extends AnyTopic,
  Ports = Record<never, never>,
  Loaded = void,
  Row = void,
  Saved = void,
>(
  definition: WorkerDefinition<Consumed, Produced, Ports, Loaded, Row, Saved>,
): WorkerDefinition<Consumed, Produced, Ports, Loaded, Row, Saved> => definition
