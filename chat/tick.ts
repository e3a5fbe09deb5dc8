/** How far one's own message is. */
import { set, write } from './dom.js'

export type Tick = 'waiting' | 'refused' | 'stored' | 'read' | undefined

const words = { waiting: 'sending', refused: 'not sent', stored: 'sent', read: 'read' } as const
const signs = { waiting: '◷', refused: '!', stored: '✓', read: '✓✓' } as const

/** Shows it in the item, where that has a place for it. */
export function setTick(item: Element, tick: Tick): void {
  const sign = item.querySelector('.tick')
  if (sign === null) return
  set(sign, { 'data-tick': tick, role: tick && 'img', 'aria-label': tick && words[tick] })
  write(sign, tick === undefined ? '' : signs[tick])
}
