/** The files of the image, made as the Dockerfile makes them, and the commands that compose.yaml gives it. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { read, root } from '../architecture/checkout.js'

export interface ComposeService {
  readonly image?: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly deploy?: { readonly replicas?: number }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: object
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly read_only?: boolean
  readonly stop_grace_period?: string
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly volumes?: object
}

/** A compose file of infra/compose, its anchors put in place. */
export const composeFile = (name: string): ComposeFile =>
  parse(read(`infra/compose/${name}`), { merge: true, logLevel: 'silent' }) as ComposeFile

/** The services that run our image. */
export const ourServices = ({ services }: ComposeFile): [name: string, service: ComposeService][] =>
  Object.entries(services).filter(([, { image }]) => image?.startsWith('coffeechat:'))

/** The roles of a service, undefined where it is the setup. */
export const rolesOf = ({ command = [] }: ComposeService): string[] | undefined =>
  command[0] === '--roles' ? command[1]?.split(',') : undefined

/** Makes the tree in a folder of its own, which everybody may read. */
export function makeImageTree(): { readonly folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-image-'))
  execFileSync(process.execPath, [join(root, 'infra/image/make-tree.mjs'), folder])
  chmodSync(folder, 0o755)
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
