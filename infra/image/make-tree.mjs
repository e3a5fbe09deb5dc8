/**
 * `node infra/image/make-tree.mjs <folder>`: the files of the image, from a checkout that is installed and built. The
 * Dockerfile runs it, and so does the test that runs the result as an unprivileged user; plain JavaScript, because
 * nothing of it belongs into what is built.
 *
 * Left out is what production never runs: tests, the bench, the local stack, pages for demo users, packages for
 * development, and what packages bring for editors and readers.
 */
import { constants, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

const ours = ['dist', 'infra/postgres/migrations', 'infra/image/healthcheck.mjs', 'LICENSE']
const notOfDist = ['test', 'bench', 'docs', 'chat', 'client', 'infra/local', 'infra/grafana', '.tsbuildinfo']
const notOfPackages = /\.(d\.[cm]?ts(\.map)?|[cm]?js\.map|md|markdown|flow|ts)$/i
/** What a package of that kind may need at run time, whatever it is called. */
const keptOfPackages = /(^|\/)(license|licence|notice)[^/]*$/i

const copied = { recursive: true, mode: constants.COPYFILE_FICLONE }

function copyOurs(tree) {
  for (const path of ours) {
    const from = join(root, path)
    if (!existsSync(from)) throw new Error(`${path} is not there: npm run build comes first`)
    const isWanted = (file) => {
      const below = relative(join(root, 'dist'), file)
      return !notOfDist.some((left) => below === left || below.startsWith(`${left}/`))
    }
    cpSync(from, join(tree, path), { ...copied, filter: isWanted })
  }
}

/** Paths of the packages that package-lock.json holds for production, as far as this platform has them. */
function productionPackages() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const paths = Object.entries(packages)
    .filter(([path, { dev }]) => path.startsWith('node_modules/') && dev !== true)
    .map(([path, { optional, devOptional }]) => ({ path, needed: !optional && !devOptional }))
  for (const { path, needed } of paths)
    if (needed && !existsSync(join(root, path)))
      throw new Error(`${path} is not installed: npm install comes first`)
  return paths.map(({ path }) => path).filter((path) => existsSync(join(root, path)))
}

function copyPackages(tree) {
  for (const path of productionPackages()) {
    const from = join(root, path)
    const isWanted = (file) =>
      file === from ||
      (basename(file) !== 'node_modules' && (!notOfPackages.test(file) || keptOfPackages.test(file)))
    cpSync(from, join(tree, path), { ...copied, filter: isWanted })
  }
}

/** What Node.js and /metrics read of it. */
function writeManifest(tree) {
  const { name, version, license, type, engines } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  )
  writeFileSync(
    join(tree, 'package.json'),
    `${JSON.stringify({ name, version, license, type, engines }, null, 2)}\n`,
  )
}

const [tree] = process.argv.slice(2)
if (tree === undefined) {
  console.error('node infra/image/make-tree.mjs <folder>')
  process.exit(2)
}
mkdirSync(tree, { recursive: true })
if (readdirSync(tree).length > 0) {
  console.error(`${tree} is not empty`)
  process.exit(2)
}
copyOurs(tree)
copyPackages(tree)
writeManifest(tree)
