/** What the pictures share: shapes and text as SVG, a legend, a time axis. Text alone, no scripts, no fonts of its own. */

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly fill: string;
  readonly opacity?: number;
  /** What is shown when it is pointed at. */
  readonly title?: string;
}

interface TextStyle {
  readonly size: number;
  readonly bold?: boolean;
  readonly fill?: string;
  readonly anchor?: 'middle' | 'end';
}

interface LineStyle {
  readonly color: string;
  readonly thick: number;
  readonly dashes?: string;
}

export interface LegendEntry {
  readonly name: string;
  readonly color: string;
}

/** Where a time is on the paper. */
export interface TimeAxis {
  readonly left: number;
  readonly width: number;
  /** Milliseconds since the epoch, or since anything else. */
  readonly from: number;
  readonly to: number;
}

/** @returns where the time is, at the nearer end when it is out of what is shown */
export function place({ left, width, from, to }: TimeAxis, at: number): number {
  const share = (Math.min(to, Math.max(from, at)) - from) / Math.max(1, to - from);
  return Math.round((left + share * width) * 10) / 10;
}

export class Drawing {
  readonly #parts: string[] = [];

  text(x: number, y: number, words: string, { size, bold, fill, anchor }: TextStyle): void {
    const style = [
      `font-size="${size}"`,
      ...(bold === true ? ['font-weight="bold"'] : []),
      ...(fill === undefined ? [] : [`fill="${fill}"`]),
      ...(anchor === undefined ? [] : [`text-anchor="${anchor}"`]),
    ].join(' ');
    this.#parts.push(`<text x="${x}" y="${y}" ${style}>${escaped(words)}</text>`);
  }

  line(x1: number, y1: number, x2: number, y2: number, { color, thick, dashes }: LineStyle): void {
    const dashed = dashes === undefined ? '' : ` stroke-dasharray="${dashes}"`;
    this.#parts.push(
      `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${color}" stroke-width="${thick}"${dashed}/>`,
    );
  }

  box({ x, y, width, height, fill, opacity, title }: Box): void {
    const more = opacity === undefined ? '' : ` opacity="${opacity}"`;
    const wide = Math.round(width * 10) / 10;
    const shape = `<rect x="${x}" y="${y}" width="${wide}" height="${height}" fill="${fill}"${more}`;
    this.#parts.push(title === undefined ? `${shape}/>` : `${shape}>${titleOf(title)}</rect>`);
  }

  dot(x: number, y: number, radius: number, fill: string, title: string): void {
    this.#parts.push(
      `<circle cx="${x}" cy="${y}" r="${radius}" fill="${fill}" stroke="white">${titleOf(title)}</circle>`,
    );
  }

  /** What each color means, in rows of equal columns. @param y of the first row's base line */
  legend(entries: readonly LegendEntry[], at: { x: number; y: number; width: number; perRow: number }): void {
    for (const [index, { name, color }] of entries.entries()) {
      const x = Math.round(at.x + (index % at.perRow) * (at.width / at.perRow));
      const y = at.y + Math.floor(index / at.perRow) * 16;
      this.box({ x, y: y - 8, width: 9, height: 9, fill: color });
      this.text(x + 13, y, name, { size: 10 });
    }
  }

  /** Ticks at round distances, with the minutes and seconds since its beginning. @param y of the axis */
  axis(axis: TimeAxis, y: number): void {
    const step = tickMs(axis.to - axis.from);
    for (let at = axis.from; at <= axis.to; at += step) {
      const x = place(axis, at);
      this.line(x, y, x, y + 5, { color: '#607d8b', thick: 1 });
      this.text(x, y + 20, clock(at - axis.from), { size: 11, fill: '#455a64', anchor: 'middle' });
    }
  }

  /** The whole file. */
  svg(width: number, height: number): string {
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif">`,
      `<rect width="${width}" height="${height}" fill="white"/>`,
      ...this.#parts,
      '</svg>',
      '',
    ].join('\n');
  }
}

const titleOf = (title: string): string => `<title>${escaped(title)}</title>`;

/** Some ten marks on the axis, at round distances. */
function tickMs(spanMs: number): number {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].map((seconds) => seconds * 1000);
  return steps.find((step) => spanMs / step <= 14) ?? 7_200_000;
}

function clock(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
