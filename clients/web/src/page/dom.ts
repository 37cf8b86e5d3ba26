// Small helpers of the page. Text goes in by textContent only, and only when it differs.

/** An element that index.html holds. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no #${id}`);
  return element as T;
}

/** Sets text where it differs. */
export function put(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute where it differs. */
export function attr(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** A new element with a class and a text. */
export function make<K extends keyof HTMLElementTagNameMap>(tag: K, className = '', text = ''): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  if (text !== '') element.textContent = text;
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** A glyph of index.html's list. */
export function glyph(name: string, className = ''): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', className === '' ? 'i' : `i ${className}`);
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#${name}`);
  svg.append(use);
  return svg;
}

/** Shows another glyph in the same place. */
export function setGlyph(svg: Element, name: string, className = ''): void {
  const use = svg.firstElementChild;
  if (use !== null) attr(use, 'href', `#${name}`);
  attr(svg, 'class', className === '' ? 'i' : `i ${className}`);
}

/** "0.4 s", "12 s", "3 min", from milliseconds. */
export function span(ms: number): string {
  if (ms < 10_000) return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.floor(ms / 1000)} s`;
  if (ms < 7_200_000) return `${Math.floor(ms / 60_000)} min`;
  return `${Math.floor(ms / 3_600_000)} h`;
}

/** UTC time of day with milliseconds. */
export function clock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}

/** Whether a key event belongs to a field. */
export function typing(event: KeyboardEvent): boolean {
  return event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
}
