/** How long a process may take to stop; whoever runs it waits a little longer before it kills. */

/** Beside the drain of a gateway, DRAIN_MS. After it the process ends anyway, and what is unfinished comes again. */
export const stopLimit_ms = 35_000
