/** Elements of the page. Text goes in as text, never as markup. */

type Attributes = Readonly<Record<string, string | boolean | undefined>>

/** Sets what is given; false and undefined take an attribute away. */
export function set(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes))
    if (value === undefined || value === false) element.removeAttribute(name)
    else element.setAttribute(name, value === true ? '' : value)
}

/** An element with its attributes and what is in it. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name)
  set(element, attributes)
  element.append(...children)
  return element
}

/** Writes a text only where it differs, so that a screen reader is not told again. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}
