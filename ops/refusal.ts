/** A command that cannot be done as it was given: says what, which, and what to do instead. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
}
