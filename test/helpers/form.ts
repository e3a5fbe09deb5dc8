/** Bodies of uploads, made by hand. */
const boundary = 'x-boundary-of-the-tests'

/** A form with one file, and how it is announced. */
export function formWith(
  bytes: Uint8Array | string,
  {
    name = 'cat.png',
    field = 'file',
    type = 'text/html',
  }: { name?: string; field?: string; type?: string } = {},
) {
  const head = `--${boundary}\r\ncontent-disposition: form-data; name="${field}"; filename="${name}"\r\ncontent-type: ${type}\r\n\r\n`
  const body = Buffer.concat([Buffer.from(head), Buffer.from(bytes), Buffer.from(`\r\n--${boundary}--\r\n`)])
  return { body, headers: { 'content-type': `multipart/form-data; boundary=${boundary}` } }
}
