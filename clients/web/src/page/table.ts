// A table whose rows are kept and rewritten in place.

import { make, put } from './dom.js';

export type Cell = [text: string, className: string];

/** A table whose rows are kept and rewritten. */
export class Table {
  readonly root = make('table');
  private readonly body = make('tbody');
  private readonly rows: HTMLTableRowElement[] = [];

  constructor(heads: Cell[]) {
    const head = make('tr');
    for (const [text, className] of heads) head.append(make('th', className, text));
    const thead = make('thead');
    thead.append(head);
    this.root.append(thead, this.body);
  }

  /** The row at a place, with so many cells. */
  row(index: number, cells: number): HTMLTableRowElement {
    let row = this.rows[index];
    if (row === undefined) {
      row = make('tr');
      for (let i = 0; i < cells; i++) row.append(make('td'));
      this.body.append(row);
      this.rows.push(row);
    }
    row.hidden = false;
    return row;
  }

  /** Hides rows from a place on. */
  end(from: number): void {
    for (let i = from; i < this.rows.length; i++) (this.rows[i] as HTMLElement).hidden = true;
  }
}

/** Writes the cells of a row; null leaves one alone. */
export function fill(row: HTMLTableRowElement, cells: (Cell | null)[]): void {
  cells.forEach((cell, i) => {
    const td = row.cells[i] as HTMLElement;
    if (cell === null) return;
    put(td, cell[0]);
    if (td.className !== cell[1]) td.className = cell[1];
  });
}
