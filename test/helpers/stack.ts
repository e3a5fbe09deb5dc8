/** The real Kafka, PostgreSQL and Redis that `npm test` starts for the tests. */

/** Addresses: Kafka as host:port, the others as URLs. PostgreSQL's role may create databases. */
export interface Stack {
  readonly kafka: string
  readonly postgres: string
  readonly redis: string
}

/** @throws when the tests were not started by `npm test` */
export function stack(): Stack {
  const address = (name: string): string => {
    const value = process.env[name]
    if (value === undefined) throw new Error(`${name} is not set: run the tests with npm test`)
    return value
  }
  return {
    kafka: address('TEST_KAFKA_BROKERS'),
    postgres: address('TEST_DATABASE_URL'),
    redis: address('TEST_REDIS_URL'),
  }
}
