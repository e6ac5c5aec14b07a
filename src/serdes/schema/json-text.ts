/**
 * JSON of a schema, as `JSON.stringify` writes it but for −0, which that writes as 0: it is a default of a
 * float or double that differs from 0. Written as `-0.0`, so that readers of other languages take it for a
 * fraction, too.
 */
export function jsonText(value: unknown, space?: number): string {
  let found = false;
  const look = (_: string, one: unknown): unknown => {
    found ||= Object.is(one, -0);
    return one;
  };
  const text = JSON.stringify(value, look, space);
  if (!found) return text;
  // A text that stands nowhere in it takes its place.
  let marker = '-0';
  while (text.includes(JSON.stringify(marker))) marker += '-';
  const marked = JSON.stringify(value, (_, one) => (Object.is(one, -0) ? marker : one), space);
  return marked.replaceAll(JSON.stringify(marker), '-0.0');
}
