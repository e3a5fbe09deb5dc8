/** Where a message is written: Enter sends, Shift and Enter begin a new line; files are chosen or pasted. */
import { make } from './dom.js'

interface Written {
  onText(text: string): void
  onFile(file: File): void
}

/** A button that opens the choice of files. */
function createChooser(onFile: Written['onFile']): readonly HTMLElement[] {
  const input = make('input', { type: 'file', multiple: true, hidden: true, tabindex: '-1' })
  const button = make(
    'button',
    {
      type: 'button',
      class: 'attach',
      'aria-label': 'Send a picture or a file',
      title: 'Send a picture or a file',
    },
    '+',
  )
  button.addEventListener('click', () => input.click())
  input.addEventListener('change', () => {
    for (const file of input.files ?? []) onFile(file)
    input.value = '' // the same file may be chosen again
  })
  return [button, input]
}

/** @param name whose messages they are */
export function createComposer(name: string, { onText, onFile }: Written): HTMLElement {
  const field = make('textarea', {
    ...{ rows: '1', placeholder: 'Write a message', 'aria-label': `Message from ${name}` },
    enterkeyhint: 'send',
  })
  const submit = make('button', { type: 'submit' }, 'Send')
  const form = make('form', { class: 'composer' }, ...createChooser(onFile), field, submit)
  const send = (event: Event) => {
    event.preventDefault()
    const text = field.value.trim()
    field.value = ''
    if (text !== '') onText(text)
    field.focus()
  }
  form.addEventListener('submit', send)
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) send(event)
  })
  field.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])]
    if (files.length === 0) return
    event.preventDefault()
    files.forEach(onFile)
  })
  return form
}

/** Takes files that are dropped on the element. */
export function takeDrops(element: HTMLElement, onFile: Written['onFile']): void {
  const brings = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes('Files') === true
  element.addEventListener('dragover', (event) => {
    if (!brings(event)) return
    event.preventDefault()
    element.setAttribute('data-dropping', '')
  })
  element.addEventListener('dragleave', ({ relatedTarget }) => {
    if (!element.contains(relatedTarget as Node | null)) element.removeAttribute('data-dropping')
  })
  element.addEventListener('drop', (event) => {
    element.removeAttribute('data-dropping')
    if (!brings(event)) return
    event.preventDefault()
    for (const file of event.dataTransfer?.files ?? []) onFile(file)
  })
}
