/** Kafka, PostgreSQL or Redis answers and cannot be used as it is set up, or as we are: to wait helps nothing. */
export class EngineRefused extends Error {
  override readonly name: string = 'EngineRefused'
  /**
   * @param says what is wrong, and with what
   * @param remedy what to do about it
   */
  constructor(
    readonly says: string,
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(`${says}: ${remedy}`, options)
  }
}
