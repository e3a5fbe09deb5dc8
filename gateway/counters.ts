/** What the gate counts of itself. Reading and rendering is the room that serves /metrics. */

/** Labels should be constants: on hot paths the same object is handed in again and again. */
export type Labels = Readonly<Record<string, string>>

/** The port: the composition root hands in what exports them. */
export interface Metrics {
  count(name: string, labels?: Labels, by?: number): void
  /** Registers a value that is read when somebody asks. */
  gauge(name: string, read: () => number): void
}
