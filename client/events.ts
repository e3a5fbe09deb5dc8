/** Events with types: who listens is called in turn, and one that throws stops no other. */

/** Ends the listening. */
export type Off = () => void

export interface Events<Map extends object> {
  on<Name extends keyof Map>(name: Name, listener: (event: Map[Name]) => void): Off
  emit<Name extends keyof Map>(name: Name, event: Map[Name]): void
}

/** Nobody listens yet. */
export function createEvents<Map extends object>(): Events<Map> {
  const listeners: { [Name in keyof Map]?: Set<(event: Map[Name]) => void> } = {}
  return {
    on(name, listener) {
      const those = listeners[name] ?? new Set()
      listeners[name] = those.add(listener)
      return () => void those.delete(listener)
    },
    emit(name, event) {
      for (const listener of [...(listeners[name] ?? [])])
        try {
          listener(event)
        } catch (error) {
          // Its own mistake, and none of the protocol's: told to whoever is told of uncaught errors.
          setTimeout(() => {
            throw error
          })
        }
    },
  }
}
