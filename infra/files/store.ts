/** The file store that the settings choose. */
import type { FileStore, GateFiles } from '../../gateway/ports.js'
import type { Config } from '../../schemas/config.js'
import type { Logger } from '../../schemas/log.js'
import { createAddressSigner } from './address-signer.js'
import { createFolderStore } from './folder.js'
import { filesFolder } from './room.js'
import { createThumbnails } from './thumbnails.js'

/** The SDK of S3 is loaded only where it is used: it is large. */
export async function createFileStore(config: Config): Promise<FileStore> {
  if (config.FILE_STORE === 'folder') return createFolderStore(filesFolder(config))
  const { createS3Store } = await import('./s3.js')
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey } = config
  return createS3Store({
    bucket: config.S3_BUCKET ?? '',
    prefix: config.S3_PREFIX,
    region: config.S3_REGION,
    endpoint: config.S3_ENDPOINT,
    pathStyle: config.S3_PATH_STYLE,
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined,
  })
}

/** All that a gate needs for files. */
export async function createGateFiles(config: Config, log: Logger): Promise<GateFiles> {
  const signer = createAddressSigner(config.TOKEN_SECRET)
  return { store: await createFileStore(config), thumbnails: await createThumbnails(log), signer }
}
