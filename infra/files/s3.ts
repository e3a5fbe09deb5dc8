/** The file store in S3, or what speaks as it does. */
import type { Readable } from 'node:stream'
import { DeleteObjectsCommand, GetObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import type { FileStore } from '../../gateway/ports.js'
import { thumbnailOf } from '../../schemas/files.js'

export interface S3Settings {
  readonly bucket: string
  /** Before each key. */
  readonly prefix: string
  readonly region: string
  /** Of a server that is not Amazon's. */
  readonly endpoint?: string | undefined
  /** http://host/bucket/key instead of http://bucket.host/key. */
  readonly pathStyle: boolean
  /** Without them the SDK looks where it always does: the environment, the instance's role. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined
}

const connection_ms = 5_000
/** Without a byte from the other side. */
const silence_ms = 20_000
const removedAtOnce = 500

/** Opens connections as they are needed. */
export function createS3Store({ bucket, prefix, credentials, ...settings }: S3Settings): FileStore {
  const client = new S3Client({
    region: settings.region,
    forcePathStyle: settings.pathStyle,
    ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    // Servers that are not Amazon's do not all know the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: connection_ms, socketTimeout: silence_ms },
  })
  const keyOf = (name: string) => ({ Bucket: bucket, Key: prefix + name })

  return {
    // In parts of 5 MiB: no more of a file is ever in memory than a few of them, and a broken upload is aborted.
    async write(name, bytes) {
      const upload = new Upload({ client, params: { ...keyOf(name), Body: bytes }, queueSize: 2 })
      await upload.done()
    },

    async read(name, range) {
      const bytes = range && `bytes=${range.start}-${range.end}`
      try {
        const found = await client.send(
          new GetObjectCommand({ ...keyOf(name), ...(bytes && { Range: bytes }) }),
        )
        return found.Body as Readable
      } catch (error) {
        if (error instanceof S3ServiceException && error.name === 'NoSuchKey') return undefined
        throw error
      }
    },

    async remove(fileIds) {
      const keys = fileIds.flatMap((id) => [id, thumbnailOf(id)]).map((name) => ({ Key: prefix + name }))
      for (let at = 0; at < keys.length; at += removedAtOnce) {
        const { Errors: failed = [] } = await client.send(
          new DeleteObjectsCommand({
            Bucket: bucket,
            Delete: { Objects: keys.slice(at, at + removedAtOnce), Quiet: true },
          }),
        )
        const [first] = failed.filter(({ Code }) => Code !== 'NoSuchKey')
        if (first) throw new Error(`S3 did not remove ${first.Key}: ${first.Code} ${first.Message}`)
      }
    },

    close: () => client.destroy(),
  }
}
