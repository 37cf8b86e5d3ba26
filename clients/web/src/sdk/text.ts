// Mantissas to text and back, by digits alone: no price or quantity ever becomes a binary fraction.

const MINUS = '\u2212';

/** `decimal(6100010, -2)` is "61000.10". Exact for whole numbers up to 2^53, and for any bigint. */
export function decimal(mantissa: number | bigint, exponent: number): string {
  const sign = mantissa < 0 ? '-' : '';
  const digits = mantissa.toString().replace('-', '');
  if (exponent >= 0) return sign + digits + (digits === '0' ? '' : '0'.repeat(exponent));
  const places = -exponent;
  const padded = digits.padStart(places + 1, '0');
  return `${sign}${padded.slice(0, -places)}.${padded.slice(-places)}`;
}

/** The same for eyes: groups of three, a real minus. */
export function shown(mantissa: number, exponent: number): string {
  return group(decimal(mantissa, exponent));
}

/** Puts commas between groups of three and a real minus in front of a decimal text. */
export function group(text: string): string {
  const negative = text.startsWith('-');
  const [whole = '', fraction] = (negative ? text.slice(1) : text).split('.');
  let grouped = '';
  for (let i = 0; i < whole.length; i++) {
    if (i > 0 && (whole.length - i) % 3 === 0) grouped += ',';
    grouped += whole[i];
  }
  return (negative ? MINUS : '') + grouped + (fraction === undefined ? '' : `.${fraction}`);
}

/** Drops zeros behind the point that say nothing. */
export function trimmed(text: string): string {
  if (!text.includes('.')) return text;
  return text.replace(/0+$/, '').replace(/\.$/, '');
}

/** Mantissa of a plain decimal text in an exponent; null when it is none, is inexact, or beyond 2^53. */
export function mantissa(text: string, exponent: number): number | null {
  const match = /^(\d{1,18})(?:\.(\d{1,18}))?$/.exec(text.replaceAll(',', '').trim());
  if (match === null) return null;
  const places = Math.max(0, -exponent);
  const fraction = (match[2] ?? '').replace(/0+$/, '');
  if (fraction.length > places) return null;
  const digits = (match[1] as string) + fraction.padEnd(places, '0');
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : null;
}

/** Sum of two plain decimal texts, exact. */
export function sum(a: string, b: string): string {
  const places = Math.max(fractionOf(a), fractionOf(b));
  return decimal(scaled(a, places) + scaled(b, places), -places);
}

/** Product of two plain decimal texts, exact. */
export function product(a: string, b: string): string {
  const [one, other] = [fractionOf(a), fractionOf(b)];
  return decimal(scaled(a, one) * scaled(b, other), -one - other);
}

function fractionOf(text: string): number {
  const at = text.indexOf('.');
  return at < 0 ? 0 : text.length - at - 1;
}

function scaled(text: string, places: number): bigint {
  return BigInt(text.replace('.', '') + '0'.repeat(places - fractionOf(text)));
}

/** Change in percent with two digits and a sign, from two mantissas of one exponent. */
export function change(now: number, then: number): string {
  if (then === 0) return '–';
  const hundredths = Math.round(((now - then) / Math.abs(then)) * 10_000);
  const digits = Math.abs(hundredths).toString().padStart(3, '0');
  const sign = hundredths < 0 ? MINUS : hundredths > 0 ? '+' : '';
  return `${sign}${group(digits.slice(0, -2))}.${digits.slice(-2)} %`;
}
