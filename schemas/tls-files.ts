/** TLS towards an engine; the paths of files (PEM). */
export interface TlsFiles {
  /** Absent: the authorities that Node.js trusts. */
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** The name in the engine's certificate, where that is not its host. */
  readonly servername?: string | undefined
}
