/**
 * The guard: a tiny shell in a session of its own that ends what we started when we die without a word
 * (kill -9). It reads the current list of process groups from a pipe; the end of that pipe is our death.
 */
import { spawn } from 'node:child_process'

/**
 * TERM (or what the line names) at once, also to who is stopped, KILL after 4 s; then the file that says we run
 * goes too, and the folder that was for this run alone.
 */
const script = `
trap '' HUP INT TERM
groups= file= folder= containers=
while IFS= read -r line; do
  case $line in
    file:*) file=\${line#file:} ;;
    folder:*) folder=\${line#folder:} ;;
    containers:*) containers=\${line#containers:} ;;
    *) groups=$line ;;
  esac
done
for each in $groups; do
  kill -s \${each#*:} -- -\${each%%:*} 2>/dev/null
  kill -s CONT -- -\${each%%:*} 2>/dev/null
done
for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  alive=
  for each in $groups; do kill -s 0 -- -\${each%%:*} 2>/dev/null && alive=yes; done
  [ -z "$alive" ] && break
  sleep 0.2
done
for each in $groups; do kill -s KILL -- -\${each%%:*} 2>/dev/null; done
for each in $containers; do docker rm -f "$each" >/dev/null 2>&1; done
[ -n "$file" ] && rm -f "$file"
[ -n "$folder" ] && rm -rf "$folder"
exit 0
`

/**
 * @typedef {{ pid: number, signal: string }} Guarded a process group, by its leader, and how it is asked to stop
 * @typedef {{
 *   watch(groups: Guarded[]): void,
 *   watchContainers(names: string[]): void,
 *   watchFile(path: string): void,
 *   watchFolder(path: string): void,
 *   dismiss(): void,
 * }} Guard
 */

/**
 * Starts the guard, and again should somebody end it. `watch` replaces the whole list.
 * @returns {Guard}
 */
export function openGuard() {
  let groups = ''
  let containers = ''
  let file = ''
  let folder = ''
  let dismissed = false
  let shell = open()

  function open() {
    const child = spawn('/bin/sh', ['-c', script], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
    })
    child.unref()
    child.stdin.on('error', () => {})
    child.stdin.unref?.()
    child.on('exit', () => {
      if (dismissed) return
      shell = open()
      tell()
    })
    child.on('error', () => {})
    return child
  }
  function tell() {
    shell.stdin.write(`file:${file}\nfolder:${folder}\ncontainers:${containers}\n${groups}\n`)
  }

  return {
    watch(list) {
      groups = list.map(({ pid, signal }) => `${pid}:${signal.replace('SIG', '')}`).join(' ')
      tell()
    },
    watchContainers(names) {
      containers = names.join(' ')
      tell()
    },
    watchFile(path) {
      file = path
      tell()
    },
    watchFolder(path) {
      folder = path
      tell()
    },
    dismiss() {
      dismissed = true
      groups = containers = file = folder = ''
      tell()
      shell.stdin.end()
    },
  }
}
