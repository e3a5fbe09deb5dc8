/** Signs and checks user tokens (spec 2, "Login" 1). The port of gates and workers alike; infra implements it. */
export interface TokenSigner {
  /** The same user and version always give the same token. */
  sign(userId: number, version: number): string
  /** The user and version that the token was signed for, or undefined. Constant time. */
  verify(token: string): { readonly user_id: number; readonly version: number } | undefined
}
