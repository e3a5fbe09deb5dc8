/** Small pictures of large ones, by libvips (sharp). */
import { pipeline } from 'node:stream/promises'
import type { Sharp } from 'sharp'
import type { Thumbnails } from '../../gateway/ports.js'
import type { Logger } from '../../schemas/log.js'

const side_px = 320
const quality = 75
/** A small file can unfold into a picture that fills the memory. */
const largest_px = 50_000_000
const limit_s = 10

/** Thumbnails of at most 320 × 320; none at all, and a warning, where this platform has no libvips. */
export async function createThumbnails(log: Logger): Promise<Thumbnails> {
  const sharp = await import('sharp').then(
    ({ default: loaded }) => loaded,
    (error: unknown) => {
      log.warn({ error }, 'sharp cannot be loaded: pictures get no thumbnails')
      return undefined
    },
  )
  if (sharp === undefined) return { of: async () => undefined }
  // The gate has sockets to serve: one picture of one upload takes one thread.
  sharp.concurrency(1)
  sharp.cache(false)

  const shrunk = async (picture: Sharp) => {
    const { autoOrient } = await picture.metadata()
    const bytes = await picture
      .autoOrient()
      .resize(side_px, side_px, { fit: 'inside', withoutEnlargement: true })
      .timeout({ seconds: limit_s })
      .webp({ quality })
      .toBuffer()
    return { bytes, ...autoOrient }
  }

  return {
    async of(picture) {
      const decoder = sharp({ limitInputPixels: largest_px, failOn: 'error' })
      // A stream that breaks is the store's failure, and no bad picture.
      const read = pipeline(
        picture,
        decoder.on('error', () => {}),
      ).catch((error: unknown) => error)
      const made = await shrunk(decoder).catch(() => undefined)
      picture.destroy()
      await read
      if (picture.errored) throw picture.errored
      return made
    },
  }
}
